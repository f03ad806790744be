//! Stops calling a service that fails, until it is well again.
//!
//! **State.** A breaker is *closed* and lets calls in, until [so many](CircuitBreakerConfig::failure_threshold) fail in a
//! row, or too large a share of the calls in a [window](WindowKind) fails or is slow. Then it is *open* for 30 s, twice as
//! long at each trip that follows another without a [calm](CircuitBreakerConfig::calm) between them, or as long as the
//! upstream asked for. The first call after that turns it *half-open*: three calls are let in on trial, each with a place
//! of its own that is taken back if the call has not ended in a minute. When as many have succeeded it closes; when one
//! fails it opens again. Calls that began before the latest transition count no more.
//!
//! What a call means is the classifier's to say ([`Protocol`](crate::protocol::Protocol)):
//!
//! | outcome | closed | half-open |
//! |---|---|---|
//! | success | ends the failures in a row | one more has succeeded |
//! | success, slow | the same, and counts for the slow rate | fails the trial, if there is a slow rate |
//! | failure | counts | fails the trial |
//! | overloaded | counts for [half](CircuitBreakerConfig::overload_weight) | fails the trial |
//! | throttled | parks the service until the upstream's time, and trips nothing | the same; the place is given back |
//! | ignored | nothing | the place is given back |
//! | cancelled | nothing, or [slow](CancelledPolicy) once it has lasted long enough | the place is given back |
//! | any [`Rejection`](crate::Rejection) from further in, but a timeout | nothing | the place is given back |
//!
//! A rate is looked at when a call goes wrong or is slow, never when one goes well: a success trips nothing.
//!
//! **Readiness.** Alone on a service, `poll_ready` asks the service only, and `call` refuses. With a
//! [gate](CircuitBreakerLayer::gate), `poll_ready` waits while the breaker would refuse, and the endpoint's gate is closed
//! for [`Reason::Breaker`](crate::endpoint::Reason::Breaker) (or `Quota` while it is parked), so that the pool goes
//! elsewhere. It reserves nothing: of several clones that are ready at once in half-open, those beyond its places are
//! refused in `call`.
//!
//! **Cancellation.** A call that is dropped gives back its place, and counts neither way.
//!
//! **Streaming.** A call lasts until its body or stream ends, if the protocol follows it: one that breaks off is a failure.
//!
//! **Sharing.** Clones of a service share one breaker. A layer makes a breaker for each service, or has them all share the
//! one of a [`CircuitBreakerHandle`]. While it is closed and calls go well, a call reads one shared word at its begin and
//! at its end and writes none; the clock is read only if calls are timed or counted by time.
//!
//! **Errors.** The service's own. Refusals are a [`Rejection`](crate::Rejection): `CircuitOpen`, or `RateLimited` while it
//! is parked, with the time until it lets calls in; without a time where nobody knows it, as when all places in half-open
//! are taken.
//!
//! State, transitions and causes are `tracing` events and a [`watch`](CircuitBreakerHandle::watch).
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use campanile::circuit_breaker::{BreakerState, CircuitBreakerConfig, CircuitBreakerLayer};
//! use campanile::{BoxError, Rejection, rejection::RejectionKind};
//! use tower::{Layer, ServiceExt};
//!
//! let config = CircuitBreakerConfig::default().with_failure_threshold(Some(2));
//! let broken = tower::service_fn(|_: ()| async { Err::<(), BoxError>("out of order".into()) });
//! let service = CircuitBreakerLayer::new(config).unwrap().layer(broken);
//!
//! for _ in 0..2 {
//!     assert_eq!(service.clone().oneshot(()).await.unwrap_err().to_string(), "out of order");
//! }
//! let refused = service.clone().oneshot(()).await.unwrap_err();
//! assert_eq!(Rejection::find(&*refused).unwrap().kind(), RejectionKind::CircuitOpen);
//! assert_eq!(service.handle().state(), BreakerState::Open);
//! # }
//! ```

mod admission;
mod breaker;
mod collect;
mod config;
mod events;
mod handle;
mod lane;
mod layer;
#[cfg(all(test, campanile_loom))]
mod loom;
mod probes;
mod service;
mod state;
mod status;
#[cfg(all(test, feature = "testing", not(campanile_loom)))]
mod tests;
mod window;
mod word;

pub use admission::Admission;
pub use config::{CancelledPolicy, CircuitBreakerConfig, SlowUntil, WindowKind};
pub use handle::CircuitBreakerHandle;
pub use layer::CircuitBreakerLayer;
pub use service::CircuitBreaker;
pub use status::{BreakerSnapshot, BreakerState, BreakerStatus, Cause};

/// The layer's name in a rejection.
const NAME: &str = "circuit_breaker";
