//! The state machine of a rate limit: pure. Time goes in, decisions come out.

pub(crate) mod bucket;
mod line;
mod meter;
mod rate;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

pub(crate) use bucket::{Amounts, Cells, Dials, Gauges, Locked, Order, Shared};
pub(crate) use line::{Asked, Line, Rank};
pub(crate) use meter::{Gauge, Meter};
pub(crate) use rate::{Rate, scale};

/// How many units there are: requests, tokens, nano-dollars.
pub(crate) const UNITS: usize = 3;
