//! Probes endpoints, ejects outliers, and closes their gates.

mod fleet;
mod probe;

pub use fleet::PanicThreshold;
pub use probe::{Check, Probe, Report, Verdict};

#[allow(unused_imports)] // of the layers to come
pub(crate) use fleet::{Fleet, MemberId};
