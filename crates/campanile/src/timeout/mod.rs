//! Four clocks: to the head, to the first data, between data, in total.
//!
//! [`TimeoutLayer`] ends a call that takes too long with a [`Rejection`](crate::Rejection) of kind
//! [`TimedOut`](crate::rejection::RejectionKind::TimedOut), which counts as a failure of the service behind it. Each clock
//! is optional, and the deadline in a call's [`Context`](crate::Context) tightens them all:
//!
//! | clock | from | to |
//! |---|---|---|
//! | `head` | the begin of the call | the head of its answer, or the answer where that is whole |
//! | `first_data` | the begin of the call | the first data of a body or stream; an answer that is whole is its own |
//! | `between_data` | when the reader finds nothing | the next data |
//! | `total` | the begin of the call | the end of the answer |
//! | deadline | – | the end of the answer |
//!
//! # State
//!
//! Each call has its own, and there is none besides. The clock of the hot path is read once in `call`, if a limit counts
//! from there. A timer is made when what is waited for first returns `Pending`, and is set anew as the clocks change; an
//! answer that is there at once arms none. It lies within the future, so that a call allocates nothing; that of a body or
//! stream that waits is boxed, which leaves it `Unpin`.
//!
//! # Readiness
//!
//! That of the inner service. Time spent in `poll_ready` is time of the call: its clocks began when `poll_ready` was first
//! `Pending`. When that takes as long as the answer may take to begin (the least of `head`, `first_data` and `total`),
//! `poll_ready` is ready and `call` refuses without calling the inner service: nobody waits longer than the limit, and the
//! service is not dead. An instance that was left waiting and is found by somebody else much later (after twice the time)
//! begins anew. [`TimeoutConfig::readiness`] turns all this off, and leaves `poll_ready` as it is.
//!
//! # Cancellation
//!
//! When a clock runs out the inner future, body or stream is dropped before the error is handed on, and so is the call
//! upstream. Dropping the outer one does the same.
//!
//! # Streaming
//!
//! With [`http`](TimeoutLayer::http) or [`streaming`](TimeoutLayer::streaming) the clocks run to the end of the answer,
//! which is then a [`TimedBody`] or [`TimedStream`]: after a clock ran out it ends in an error, never cleanly. What is there
//! is handed on before a clock is looked at. `between_data` does not run while the reader stays away; `total` and the
//! deadline do. Comments and keep-alives can be told not to count as data, by [`TimeoutLayer::counting`]; see [`SseData`].
//!
//! # Order
//!
//! Within an endpoint's stack the clocks stand inside its limits: a wait for a limit of one's own is then no time of the
//! endpoint, and trips no breaker.
//!
//! # Sharing
//!
//! Clones share nothing. A clone waits for nothing, whatever its original waits for.
//!
//! # Errors
//!
//! The service's own error must be `From<Rejection>`; [`Rejection::layer`](crate::Rejection::layer) names the [`Clock`]. A
//! call whose deadline had passed before it was sent is refused as
//! [`DeadlineExceeded`](crate::rejection::RejectionKind::DeadlineExceeded) instead. After the head, a body ends in a
//! [`BoxError`](crate::BoxError) that holds the rejection, and a stream of `Result<D, E>` in an `E: From<Rejection>`.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! use campanile::{BoxError, Rejection, timeout::{Clock, TimeoutConfig, TimeoutLayer}};
//! use std::time::Duration;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! let slow = service_fn(|seconds: u64| async move {
//!     tokio::time::sleep(Duration::from_secs(seconds)).await;
//!     Ok::<_, BoxError>("done")
//! });
//! let clocks = TimeoutConfig::new().with_head(Duration::from_secs(10));
//! let service = TimeoutLayer::new(clocks).unwrap().layer(slow);
//!
//! assert_eq!(service.clone().oneshot(9).await.unwrap(), "done");
//! let error = service.oneshot(11).await.unwrap_err();
//! assert_eq!(Rejection::find(&*error).unwrap().layer(), Clock::Head.layer());
//! # }
//! ```

#[cfg(feature = "http")]
mod body;
mod clocked;
mod config;
mod count;
mod future;
mod layer;
mod service;
mod state;
mod stream;
#[cfg(all(test, not(campanile_loom)))]
mod tests;
mod watch;

#[cfg(feature = "http")]
pub use body::TimedBody;
pub use clocked::Clocked;
pub use config::{Clock, TimeoutConfig};
pub use count::{Counts, Everything, SseData};
pub use future::ResponseFuture;
pub use layer::TimeoutLayer;
pub use service::Timeout;
pub use stream::TimedStream;
pub use watch::Countdown;
