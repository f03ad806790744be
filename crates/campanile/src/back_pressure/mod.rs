//! Turns limits and rates down when errors or latency rise, and up again when they fall.
//!
//! A plain rule, easy to foresee: calls are gathered over a window, ten seconds by default, and then
//!
//! | errors | | latency | capacity | rate |
//! |---|---|---|---|---|
//! | over 20 % | or | over 30 s | -25 % | -50 % |
//! | under 5 % | and | under 5 s | +33 % | +25 % |
//! | otherwise | | | held | held |
//!
//! Every number is in [`BackPressureConfig`]. What is moved are [`Dial`]s: any number of [capacities] (the limit of a fixed
//! concurrency limit, the ceiling of an adaptive one) and of [rates], together. Their owners keep them between their own
//! floors and caps. A step that an owner of whole calls would round away is made one call.
//!
//! The layer belongs next to the service, within the limits that it moves: there it measures the service, and not the wait
//! for a permit. Refusals of layers further in say nothing about the service and are not counted, where they
//! [can be found](crate::Rejection::within) in the error; hidden in an error type of your own, they are left out by a
//! classifier that calls them [`Ignored`](crate::Outcome::Ignored).
//!
//! **Latency** is a quantile of the latencies of successful calls, the median by default: a few calls that hang for
//! minutes move a mean, and not the median. It is only ever compared with two bounds, so the calls beyond each are counted,
//! exactly, and nothing is kept or sorted. Of streamed answers it is the time to the end; the [signal](Signal) can be the
//! time to the head or to the first data instead. Calls that failed are errors, and neither slow nor fast.
//!
//! **Idle**, nothing happens: there is no task. A window without enough calls holds, however long it lasts, so what was
//! turned down stays down until calls show that it can go up. A window is judged by the first call that begins or ends after
//! it. Growth does not ask whether the capacity is used: the cap of its owner is where it ends.
//!
//! [`Dial`]: crate::control::Dial
//! [capacities]: BackPressureLayer::capacity
//! [rates]: BackPressureLayer::rate
//!
//! # State
//!
//! The counts of the window, in a cache line for each of eight threads (further ones share): a fast call that succeeds
//! adds one number to its own line. When the window is over, the one call that moves its end takes the counts, judges them
//! and moves the dials; a mutex is locked there, once a window, and never elsewhere on the path of a call.
//!
//! # Readiness
//!
//! That of the inner service.
//!
//! # Cancellation
//!
//! A call that is dropped, in flight or within its body, says nothing, nor does one that is ignored: the request was at
//! fault.
//!
//! # Streaming
//!
//! A call counts when its body or stream ends, as the [protocol](BackPressureLayer::protocol) follows it. One that breaks
//! off is an error.
//!
//! # Sharing
//!
//! All clones of a service share one rule. A layer that is applied twice makes two; a [`BackPressureHandle`] that is made
//! first makes one of many services, of a whole pool for example.
//!
//! # Errors
//!
//! The layer refuses nothing, and passes the inner service's errors through.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), campanile::BoxError> {
//! use campanile::back_pressure::{BackPressureConfig, BackPressureLayer, Verdict};
//! use campanile::{BoxError, control::Dial};
//! use std::{sync::{Arc, Mutex}, time::Duration};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! // In place of the `limit_dial()` of a concurrency limit, which goes around this layer.
//! struct Limit(Mutex<f64>);
//!
//! impl Dial for Limit {
//!     fn value(&self) -> f64 {
//!         *self.0.lock().unwrap()
//!     }
//!     fn set(&self, value: f64) -> f64 {
//!         let value = value.clamp(1.0, 100.0);
//!         *self.0.lock().unwrap() = value;
//!         value
//!     }
//! }
//!
//! let limit = Arc::new(Limit(Mutex::new(40.0)));
//! let service = ServiceBuilder::new()
//!     .layer(BackPressureLayer::new(BackPressureConfig::default().build()?).unwrap().capacity(limit.clone()))
//!     .service_fn(|broken: bool| async move {
//!         if broken { Err(BoxError::from("broken")) } else { Ok("answer") }
//!     });
//! let handle = service.handle();
//!
//! for call in 0..20 {
//!     let _ = service.clone().oneshot(call % 4 == 0).await;
//! }
//! tokio::time::advance(Duration::from_secs(10)).await;
//! service.clone().oneshot(false).await?;
//!
//! assert_eq!(handle.snapshot().latest.unwrap().verdict, Verdict::ShrinkForErrors);
//! assert_eq!(limit.value(), 30.0);
//! # Ok(()) }
//! ```

mod collect;
mod config;
mod decision;
mod handle;
mod layer;
#[cfg(all(test, campanile_loom))]
mod loom;
mod service;
mod shared;
mod state;
mod tally;
#[cfg(all(test, feature = "testing", not(campanile_loom)))]
mod tests;
mod window;

pub use config::{BackPressureConfig, Signal};
pub use decision::{Decision, Move};
pub use handle::{BackPressureHandle, BackPressureSnapshot};
pub use layer::BackPressureLayer;
pub use service::{BackPressure, Timed};
pub use state::{Counts, Verdict};
