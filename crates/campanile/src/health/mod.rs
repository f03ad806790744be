//! Probes endpoints, ejects outliers, and closes their gates.

mod fleet;
#[allow(dead_code)] // of the layers to come
mod members;
mod probe;

pub use fleet::PanicThreshold;
pub use members::Monitored;
pub use probe::{Check, Probe, Report, Verdict};

#[allow(unused_imports)] // of the layers to come
pub(crate) use fleet::{Fleet, MemberId};
#[allow(unused_imports)]
pub(crate) use members::Membership;
