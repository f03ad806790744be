//! Keeps the calls in flight to a limit, fixed or found while running.
//!
//! A call takes a permit when it is admitted and gives it back when its answer has ended: with its response
//! ([`Unary`](crate::protocol::Unary)), or with the last byte of its body or stream ([`Http`](crate::protocol::Http),
//! [`Streaming`](crate::protocol::Streaming)). How many permits there are is fixed, or adapts by an
//! [`Algorithm`](algorithm::Algorithm) to what the service can do.
//!
//! # State
//!
//! Permits in use, the limit, and whether calls wait share one atomic word: a call is admitted by one compare-and-swap and
//! goes by one subtraction. No lock and no allocation is on that path. Those who wait stand in a queue under a lock, which
//! is touched only while somebody waits, and whose order is found in logarithmic time. An adaptive limit keeps counts besides (calls served and dropped, units of work,
//! the integral of calls in flight over time), and asks its algorithm when it is due, at the end of a call or at a piece of
//! data. The algorithm lies under a lock that is tried and never waited for; a sample that finds it taken is lost, except
//! for drops, of which one is made up for.
//!
//! The limit in force is what the algorithm wants (or what an operator, or a [dial](crate::control::Dial), holds it at),
//! not below [`min_limit`](ConcurrencyLimitConfig::min_limit) and not above
//! [`max_limit`](ConcurrencyLimitConfig::max_limit) or the [ceiling](ConcurrencyLimitHandle::ceiling_dial). It may fall
//! below what is in use: calls under way are left to end, and none is admitted until there is room.
//!
//! # Readiness
//!
//! `poll_ready` reserves nothing, so a service that was readied and is never called blocks nobody.
//!
//! *Alone on a service*, it asks the service below. `call` takes a permit; if there is none, the call waits in its future
//! with the instance that was readied for it, or is refused, as [`when_full`](ConcurrencyLimitConfig::when_full) says.
//! Permits are handed over by the [`Priority`](crate::context::Priority) of the call's context, to critical calls before
//! normal ones, to those before batch calls, and to sheddable ones last; in order of arrival within one. Each goes to one
//! waiting call, which alone is woken. Calls without a context are normal. A call queues when its future is first polled.
//!
//! Priority is strict, as in request schedulers ("requests are handled based on given priority", then by time of arrival:
//! vLLM's `--scheduling-policy priority`), and does not grow with the wait: under lasting overload, calls that have waited
//! for long would stand before urgent ones, just when priorities are there for. What keeps calls from starving is that none waits
//! longer than [`max_wait`](ConcurrencyLimitConfig::max_wait): one that is overtaken until then is refused, and its caller
//! knows, and may come again. Those that matter least are refused before others, as in Google's servers (*Site Reliability
//! Engineering*, chapter 21, "Criticality"). Where a class must get its share whatever others ask for, give it a limit
//! of its own.
//!
//! *In a pool*, with [`gate`](ConcurrencyLimitLayer::gate), the endpoint's gate is closed while the limit is reached, and
//! `poll_ready` waits for room. A call that loses a race for the last permit waits or is refused as above.
//!
//! # Cancellation
//!
//! Dropping the future gives back the permit, or the place in the queue; a permit that was just handed over goes to the
//! next in line. A call that was cancelled says nothing to the algorithm, and counts as neither served nor dropped.
//!
//! # Streaming
//!
//! The permit lasts to the end of the body or stream: its last byte, its error, its drop. Pieces count as work when they
//! arrive, so that an adaptive limit learns from calls that are still under way. A call without pieces counts the tokens
//! that the upstream reports, or 1, at its end.
//!
//! # Sharing
//!
//! Clones of a service share one limit. A layer makes a limit for each service; to let several services share one, make a
//! [`ConcurrencyLimitHandle`] first. The same handle shows the limit and moves it.
//!
//! # Errors
//!
//! A call is refused with [`RejectionKind::ConcurrencyLimited`](crate::rejection::RejectionKind::ConcurrencyLimited) where
//! calls do not wait, where too many wait already (or come later and matter more, see
//! [`max_waiting`](ConcurrencyLimitConfig::max_waiting)), and where it waited for too long; with
//! [`RejectionKind::DeadlineExceeded`](crate::rejection::RejectionKind::DeadlineExceeded) when its own deadline passes
//! while it waits. When a permit will come back is not known, so a refusal does not say when to try again. Errors of the
//! service below pass through. To the algorithm, throttling, overload and time-outs are drops; other failures, and refusals
//! of layers further in, say nothing.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use campanile::{BoxError, Rejection, concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitLayer}};
//! use tower::{Layer, Service, ServiceExt, service_fn};
//!
//! let slow = service_fn(|()| std::future::pending::<Result<(), BoxError>>());
//! let limit = ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::fixed(1).refusing()).unwrap();
//! let mut service = limit.layer(slow);
//! let handle = service.handle();
//!
//! let first = service.ready().await.unwrap().call(());
//! assert_eq!((handle.in_use(), handle.limit()), (1, 1));
//!
//! let refused = service.ready().await.unwrap().call(()).await.unwrap_err();
//! assert_eq!(Rejection::find(&*refused).unwrap().status(), 503);
//!
//! drop(first);
//! assert_eq!(handle.in_use(), 0);
//! # }
//! ```

pub mod algorithm;

mod collect;
mod config;
mod control;
mod future;
mod gates;
mod handle;
mod layer;
#[cfg(all(test, campanile_loom))]
mod loom;
mod permit;
mod permits;
mod service;
mod shared;
mod state;
#[cfg(all(test, not(campanile_loom)))]
mod tests;
mod wait;

pub use config::{ConcurrencyLimitConfig, Signal, WhenFull};
pub use future::ResponseFuture;
pub use handle::{CeilingDial, ConcurrencyLimitHandle, ConcurrencyLimitSnapshot, LimitDial};
pub use layer::ConcurrencyLimitLayer;
pub use permit::Permit;
pub use service::ConcurrencyLimit;
pub use state::MAX_LIMIT;

/// The name of this layer in rejections.
const LAYER: &str = "concurrency_limit";
