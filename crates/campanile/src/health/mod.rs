//! Probes endpoints, ejects outliers, and closes their gates.
#![allow(dead_code)] // until the layer uses it

mod cap;
mod config;
mod fleet;
mod members;
mod probe;
mod schedule;
mod state;

pub use config::{HealthConfig, Start};
pub use fleet::PanicThreshold;
pub use members::Monitored;
pub use probe::{Check, Probe, Report, Verdict};
pub use state::HealthState;

pub(crate) use fleet::{Fleet, MemberId};
#[allow(unused_imports)]
pub(crate) use members::Membership;
