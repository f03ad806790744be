//! Counts and times calls by stage and endpoint.

mod future;
mod histogram;
mod layer;
mod reading;
mod recorder;
mod service;

pub use future::ResponseFuture;
pub use histogram::Histogram;
pub use layer::MetricsLayer;
pub use reading::{Distributions, OutcomeCounts, Reading, Refusals, Window};
pub use recorder::{Recorder, Recording};
pub use service::Measured;
