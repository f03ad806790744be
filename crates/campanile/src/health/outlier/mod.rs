//! Ejects members that do worse than the rest of their pool: passive outlier detection, after Envoy's.
//!
//! **State.** Every call of a pool is counted at its endpoint by what it [means](crate::outcome::Outcome). A member is
//! *ejected*, its gate closed for [`Reason::Outlier`](crate::endpoint::Reason::Outlier), by one of three rules:
//!
//! | rule | looked at | by default |
//! |---|---|---|
//! | consecutive failures | at once | 5 failures without a success between them |
//! | success rate | every 10 s, over the latest minute | 1.9 standard deviations below the mean, and beyond chance |
//! | latency | every 10 s | off; beyond a factor of the median, and 1.9 standard deviations beyond the mean |
//!
//! Rates and latencies are compared among at least five members with at least twenty calls each. A
//! [`Failure`](crate::outcome::Outcome::Failure) of any kind counts as one, and so does
//! [`Overloaded`](crate::outcome::Outcome::Overloaded). A call that was throttled, ignored or cancelled is no call here:
//! who has used up a quota is no worse for it.
//!
//! The member comes back by time: after 30 s at first, twice and three times that if it is ejected again and again, up to
//! five minutes, each up to a tenth shorter at random. Its window is then empty, and the row of failures begins anew. For
//! each minute that it serves, one ejection is forgotten.
//!
//! Never more than a tenth of the members is ejected, though always one may be. Where fewer than half are fit, in the
//! opinion of this layer or of health probes over the same pool, the pool *panics*: all gates are opened, and closed again
//! when enough are fit. The only member of a pool is therefore always used, ejected or not.
//!
//! **Readiness.** A discovery layer: nothing stands in the way of a call.
//!
//! **Cancellation.** A call that is dropped counts neither way. Dropping the pool, or whatever holds the discovery, ends the
//! task that looks after its members, and opens the gates that it had closed.
//!
//! **Streaming.** A call ends where the pool's protocol says: one whose body breaks off has failed.
//!
//! **Sharing.** A task for each pool. A call that goes well costs nothing; one that fails wakes the task if it was the
//! fifth in a row, or a later one. Every ten seconds the task reads the counts of all members, some at a time; between, it
//! sleeps, ejected members or not.
//!
//! **Errors.** None. Ejections and returns, and panics, are `tracing` events; the [`OutlierHandle`] shows everything.
//!
//! A member that comes back ramps up where the pool's strategy is wrapped in a
//! [`SlowStart`](crate::balance::SlowStart). So do those that a panic lets in, to the members that are fit; where none is
//! fit, all ramp alike and share evenly.
//!
//! # Example
//!
//! ```
//! # #[cfg(not(all(feature = "balance", feature = "testing")))] fn main() {}
//! # #[cfg(all(feature = "balance", feature = "testing"))]
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! use campanile::{
//!     balance::{BalanceLayer, RoundRobin},
//!     health::{OutlierConfig, OutlierHandle, OutlierLayer},
//!     testing::{Script, Step, discovery},
//! };
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! let (members, discover) = discovery();
//! members.insert("well", Script::answering("hello").service());
//! members.insert("sick", Script::<&str>::new(Step::error("out of order")).service());
//!
//! let outliers = OutlierHandle::new(OutlierConfig::default()).unwrap();
//! let pool = ServiceBuilder::new()
//!     .layer(BalanceLayer::bare(RoundRobin::default()))
//!     .layer(OutlierLayer::shared(&outliers))
//!     .service(discover);
//!
//! let mut failed = 0;
//! for _ in 0..100 {
//!     failed += u32::from(pool.clone().oneshot(()).await.is_err());
//!     tokio::task::yield_now().await;
//! }
//! assert_eq!(failed, 5);
//! assert!(outliers.snapshot().members[0].ejected_for.is_some());
//! # }
//! ```

mod config;
mod detector;
mod handle;
mod layer;
mod outliers;
mod rules;
mod snapshot;
#[cfg(all(test, feature = "balance", feature = "testing"))]
mod tests;
mod watch;
mod window;

pub use config::OutlierConfig;
pub use handle::OutlierHandle;
pub use layer::OutlierLayer;
pub use snapshot::{OutlierCause, OutlierSnapshot, OutlierStatus};
