//! Counts and times calls by stage and endpoint.
//!
//! A [`Recorder`] records the calls of one stage or one endpoint; a [`MetricsLayer`] brings calls to it. Asked, it tells a
//! [`Reading`]: how many calls there were, how they ended, what they took, and how long, in three [windows](Window): since
//! the start, in the last minute, and of the latest 1,000 calls.
//!
//! **What is timed.** To the head, to the first data, between data, and in total. Head, first data and total are those of
//! calls that succeeded, and are recorded when the call ends: a failure that is fast must not make latency look good. What
//! calls that failed, were throttled or overloaded took is told apart, as `failed`. Calls that were cancelled or ignored are
//! counted and not timed. Times between data are recorded as they come, waits in queues with the first data or the end, whatever becomes of
//! the call.
//! A refusal further in is counted by layer and kind, where it [can be found](crate::Rejection::within) in the error, and
//! the call besides as it ended.
//!
//! **How exact.** Counts are exact: nothing is lost or counted twice, whoever records and reads at the same time. In each
//! reading the calls that ended and those in flight make up those that have begun. Calls that begin and end within the
//! microseconds of a reading may be told as in flight. Times are known to within 0.8 %: see
//! [`Histogram`]. The last minute is told in turns of ten seconds, of which the oldest is dropped whole, so it is the last 50
//! to 60 seconds; [`span`](Distributions::span) says how long. When the latest calls are of several threads, which of them
//! are the latest is known to within the two dozen that a thread keeps to itself until somebody reads. The time of a record
//! is known to within 8 ms, so the span of the latest calls is too.
//!
//! **What it costs.** Two readings of the clock a call, four additions to lines of memory that no other thread writes, and
//! once in two dozen calls a lock, which is left alone if somebody else has it; no allocation, but for a page of 64 bytes
//! when a time is so long as none was in these ten seconds, and once in ten seconds when these become the past. Memory: half
//! a kilobyte for each of at most eight threads, 6 bytes for each of the latest calls, and 2 to 3 bytes for each bucket
//! of time that something fell into, 64 to a doubling; up to a minute after calls several times as many. With calls of
//! eight threads whose times are spread as those of a language model's answers that is less than 16 KiB at rest; see
//! [`Recorder::memory`]. What was recorded in the last minute is given free by a later reading, or by calls.
//!
//! # State
//!
//! In lanes, one for each of eight threads (further ones share): a number of calls that have begun, sums of what they
//! took, and a ring of records of eight bytes each: how a call ended, when, and its three times. Whoever finds the ring
//! nearly full takes the lock of the aggregate, if it is free, and moves the records there; a reader moves those of all
//! lanes. Only a thread that finds its ring full, because the one that holds the lock is held up, waits for that lock.
//!
//! # Readiness
//!
//! That of the inner service. Waiting for it is no part of a call, and not measured: a
//! [`stamp`](MetricsLayer::stamp) further out measures it as a wait.
//!
//! # Cancellation
//!
//! A call that is dropped, in flight or within its body, is in flight no longer, and counts as cancelled. A panic counts as
//! a failure of its kind.
//!
//! # Streaming
//!
//! A call is in flight until its body or stream ends, as the [protocol](MetricsLayer::protocol) follows it, and is told of
//! by its outcome, tokens and bytes only then.
//!
//! # Sharing
//!
//! A layer records all services that it is applied to together, in its recorder; so do clones.
//!
//! # Errors
//!
//! The layer refuses nothing, and passes the inner service's errors through.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), campanile::BoxError> {
//! use campanile::{BoxError, metrics::{MetricsLayer, Recorder}};
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! let recorder = Recorder::new();
//! let service = ServiceBuilder::new()
//!     .layer(MetricsLayer::new(&recorder))
//!     .service_fn(|well: bool| async move {
//!         tokio::time::sleep(Duration::from_millis(20)).await;
//!         if well { Ok("answer") } else { Err(BoxError::from("broken")) }
//!     });
//! for call in 0..10 {
//!     let _ = service.clone().oneshot(call != 3).await;
//! }
//! let reading = recorder.read();
//! assert_eq!((reading.requests, reading.in_flight), (10, 0));
//! assert_eq!((reading.outcomes.success, reading.outcomes.failures()), (9, 1));
//! # #[cfg(feature = "testing")]
//! assert!(reading.minute.total.quantile(0.99).unwrap().abs_diff(Duration::from_millis(20)) < Duration::from_millis(2));
//! # Ok(()) }
//! ```

mod config;
mod gathered;
mod histogram;
mod layer;
mod reading;
mod recorder;
mod registry;
mod service;
mod snapshot;
mod table;
mod text;

pub use config::MetricsConfig;
pub use histogram::Histogram;
pub use layer::MetricsLayer;
pub use reading::{Distributions, OutcomeCounts, Reading, Refusals, Window};
pub use recorder::{Recorder, Recording};
pub use registry::{EndpointMetrics, Metrics, StageMetrics};
pub use service::Measured;
pub use snapshot::{
    EndpointFigures, Figures, GateFigures, LatencyFigures, MetricsSnapshot, OutcomeFigures,
    RefusalFigures, SampleSnapshot, StageSnapshot, WindowFigures,
};
pub use table::Table;
pub use text::{Format, OPEN_METRICS, PROMETHEUS};
