//! Keeps calls, tokens and money to so many a second, and learns the upstream's own limits.

mod buckets;
mod config;
mod future;
mod gates;
mod handle;
mod key;
mod layer;
mod learn;
mod limiter;
mod meters;
mod service;
mod settle;
mod state;
#[cfg(all(test, feature = "testing", not(campanile_loom)))]
mod tests;
mod unit;
mod wait;

pub use buckets::{Keyed, Single};
pub use config::{Learn, Limit, Oversize, RateLimitConfig, Reset};
pub use future::ResponseFuture;
pub use handle::{RateDial, RateLimitHandle, RateLimitSnapshot, UnitSnapshot};
pub use key::{By, ByTenant, KeyOf, Together};
pub use layer::RateLimitLayer;
#[cfg(feature = "http")]
pub use learn::Headers;
pub use learn::{Advice, Advise, Quota, Silent};
pub use service::RateLimit;
pub use settle::Settle;
pub use unit::Unit;
