//! The pool: fans requests out to the members that a `Discover` finds.
//!
//! [`BalanceLayer`] turns a [`tower::discover::Discover`] of services into one [`Balance`] service.
//!
//! **State.** All clones of a [`Balance`] share one state, without a worker and without a lock between a request and its
//! endpoint: the members are an immutable snapshot behind an atomic pointer, the counts of each endpoint are atomics. A
//! background task owns the `Discover` and publishes a new snapshot when it changes, also while nothing is called. It
//! ends when the last clone, and the last call that waits, is dropped.
//!
//! **Readiness.** `poll_ready` says whether the pool can take a request at all: some member's gate is open. While none
//! is, it waits, for the pool's [patience](BalanceConfig::patience) at most, and is woken by gates, by discovery and by
//! time. It reserves nothing: a readied clone that is never called blocks nobody. The endpoint is picked in `call`,
//! where the request is known.
//!
//! An endpoint that is picked and turns out not to be ready is left, and another picked. When none is ready the call
//! waits on those it has tried, and on every gate. An endpoint whose `poll_ready` fails is closed
//! ([`Reason::Readiness`](crate::endpoint::Reason::Readiness)) for a while that doubles, and tried again with a fresh
//! clone.
//!
//! While every gate is closed `poll_ready` does not know the request yet, and so waits whatever the deadline of the call.
//! A service that only gets ready while one and the same clone is polled on (it connects in `poll_ready`, and a clone
//! begins anew) is left for others that are ready at once; a `tower::buffer::Buffer` around it keeps one clone polled.
//!
//! **Cancellation.** A call that is dropped, while it waits, in flight or within its body, gives everything back and
//! counts as [`Outcome::Cancelled`](crate::Outcome::Cancelled).
//!
//! **Streaming.** How requests are read and answers are followed is the [`Protocol`](crate::protocol): `Unary` ends a call
//! with its response, `Http` with the end of the body, `Streaming` with the end of the stream.
//!
//! **Sharing.** `Balance` is `Clone + Send + Sync`, if the members' services are `Clone + Send`; they need not be
//! `Sync`. Each endpoint keeps an idle clone of its service for each thread (threads beyond eight share), so calls clone
//! nothing once it is there.
//!
//! **Errors.** The error type is the members' own. The pool's refusals are a [`Rejection`](crate::Rejection) turned into
//! it: `Empty`, `Unavailable` (all closed, with the time of the earliest reopening), `NotReady`, `DeadlineExceeded`.
//! An endpoint's error is passed through, and a panic reaches the task that made the call, and no other.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), campanile::BoxError> {
//! use campanile::balance::{BalanceLayer, LeastLoaded};
//! use campanile::discover::{PerEndpointLayer, Roster};
//! use campanile::BoxError;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! let roster = Roster::new();
//! roster.insert("a", 1)?;
//! roster.insert("b", 2)?;
//!
//! let pool = ServiceBuilder::new()
//!     .layer(BalanceLayer::new(LeastLoaded::default()))
//!     .layer(PerEndpointLayer::new(|_: &campanile::Endpoint, factor: u32| {
//!         tower::service_fn(move |n: u32| async move { Ok::<_, BoxError>(n * factor) })
//!     }))
//!     .service(roster.changes());
//!
//! let answer = pool.oneshot(21).await?;
//! assert!(answer == 21 || answer == 42);
//! # Ok(()) }
//! ```

mod attempt;
mod config;
mod driver;
mod explain;
mod follow;
mod future;
mod layer;
mod members;
mod service;
mod slot;
mod snapshot;
pub mod strategy;
#[cfg(all(test, not(campanile_loom)))]
mod tests;
mod view;
mod wait;

pub use config::BalanceConfig;
pub use driver::Driver;
pub use follow::Follow;
pub use future::ResponseFuture;
pub use layer::BalanceLayer;
pub use service::Balance;
pub use snapshot::{MemberSnapshot, PoolSnapshot};
pub use strategy::*;
