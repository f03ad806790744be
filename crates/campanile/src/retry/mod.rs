//! Tries a failed call again, elsewhere first, within a budget.
//!
//! A failed call (a failure, an overloaded or a throttled upstream; the [protocol](crate::protocol) judges) is made
//! again after a [back-off](Backoff), twice at most by default. An upstream's `Retry-After` is waited for instead, if
//! that fits the call's deadline; otherwise the answer is handed out at once as it is. Where a call carries a
//! [`Context`](crate::Context) it keeps a [`Trail`](crate::context::Trail), so that a pool whose strategy is
//! [`AvoidTried`](crate::balance::AvoidTried) sends each attempt to another endpoint, and it counts its attempts.
//!
//! **State.** A [`Budget`](crate::budget::Budget): each success earns 0.2 of a retry, each retry costs one, and a
//! throttled call's nothing, since it waits as long as it was told. So however hard an outage is, retries add little to
//! it. And the attempts that the call's trail has left, which hedge and fallback spend too. A retry that cannot be made
//! gives both back.
//!
//! **Readiness.** That of the inner service; nothing is reserved. A retry calls a clone that was polled ready for it,
//! so it is made only if something is ready: within [`patience`](RetryConfig::patience) after the back-off, and within
//! the call's deadline. Until it really begins, the failed answer is kept, and is the answer if nothing becomes ready.
//!
//! **Cancellation.** Dropping the future drops the attempt, or the wait, with all that it holds. A failed answer that
//! is dropped for a retry counts as what its head said.
//!
//! **Streaming.** A call is tried again only before its head is handed out. What happens to the body or stream
//! afterwards is beyond this layer, which hands out the inner service's answer unchanged: a success is one whose head
//! says so. The failed answer's body is not read, and what it holds is given back when the retry begins.
//!
//! **Requests** are cloned before the first attempt: the original is gone once it is sent. Bodies that cannot be cloned
//! are recorded while they are sent, up to a size ([`ReplayBodies`]).
//!
//! **Sharing.** All clones of a [`Retry`] share its budget. A layer that is applied twice makes two budgets, unless it
//! was [given one](RetryLayer::budget). A call that succeeds at once clones no service, allocates nothing (a call in an
//! envelope reuses the trail of the one before) and writes no shared memory while the budget is full.
//!
//! **Errors.** Those of the inner service; the layer has none of its own. Where the last retry was refused on its way, by
//! a pool that has closed or a limit, the caller gets the error of the last attempt that was sent, if it was an error:
//! it tells more.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), campanile::BoxError> {
//! use campanile::retry::{RetryConfig, RetryLayer};
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! static CALLS: AtomicU32 = AtomicU32::new(0);
//! let flaky = service_fn(|name: &'static str| async move {
//!     match CALLS.fetch_add(1, Ordering::Relaxed) {
//!         0 => Err(campanile::BoxError::from("connection reset")),
//!         _ => Ok(format!("hello, {name}")),
//!     }
//! });
//!
//! let service = ServiceBuilder::new()
//!     .layer(RetryLayer::new(RetryConfig::default().build()?).unwrap())
//!     .service(flaky);
//! assert_eq!(service.oneshot("bell").await?, "hello, bell");
//! # Ok(()) }
//! ```

mod advice;
mod backoff;
mod config;
mod future;
mod layer;
mod service;
mod state;
#[cfg(all(test, feature = "testing", not(campanile_loom)))]
mod tests;
mod wait;

#[cfg(feature = "http")]
pub use crate::replay::{KeptRequest, ReplayBodies, ReplayBody};
pub use crate::{
    context::KeepTrail,
    replay::{Cloned, Replay},
};
#[cfg(feature = "http")]
pub use advice::XShouldRetry;
pub use advice::{Advice, Advise, NoAdvice};
pub use backoff::Backoff;
pub use config::{RetryAfter, RetryConfig};
pub use future::RetryFuture;
pub use layer::RetryLayer;
pub use service::Retry;
