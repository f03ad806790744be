//! Counts and times calls by stage and endpoint.

mod histogram;
mod reading;

pub use histogram::Histogram;
pub use reading::{Distributions, OutcomeCounts, Reading, Refusals, Window};
