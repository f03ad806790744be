//! Looks after the endpoints of a pool: checks them, and closes the gates of those that are not well.
//!
//! [`HealthLayer`] asks a [`Probe`] of each endpoint again and again whether it is healthy. It stands in discovery: *below*
//! [`PerEndpointLayer`](crate::discover::PerEndpointLayer) the probe is given what discovery found, an address or a client;
//! *above* it the endpoint's built service, so that a check goes the way of a call, through the endpoint's own limits and
//! breaker.
//!
//! **State.** Each endpoint is *unknown*, *healthy* or *unhealthy*.
//!
//! | | good check | bad check | cannot tell |
//! |---|---|---|---|
//! | unknown | healthy | unhealthy after [3 in a row](HealthConfig::unhealthy_after) | |
//! | healthy | | unhealthy after [3 in a row](HealthConfig::unhealthy_after) | |
//! | unhealthy | healthy after [1, or more in a row](HealthConfig::healthy_after) | | |
//!
//! A check that takes longer than its [time](HealthConfig::timeout), or panics, is a bad one. An unhealthy endpoint is never
//! removed: its gate is closed for [`Reason::Health`](crate::endpoint::Reason::Health), and opens when it is healthy again.
//! That reason is this layer's alone. Breakers, quotas and operators close the same gate for reasons of their own: an
//! endpoint that an operator has switched off is not unhealthy, and is checked on, so that its health is known before it is
//! switched on again; only a probe that [costs money](Probe::is_paid) leaves it out. When too few endpoints are fit, all are
//! used ([`PanicThreshold`]); the checks and states go on as before.
//!
//! Members that answer probes and yet do worse than the others, by what becomes of their calls, are ejected for a while by
//! [`HealthLayer::outliers`], or without any probe by an [`OutlierLayer`]: see [`outlier`].
//!
//! **Slow start.** Whoever comes back, unhealthy or ejected before, ramps up where the pool's strategy is wrapped in a
//! [`SlowStart`](crate::balance::SlowStart), as in the example below: from a tenth of its weight to the whole in 30 s.
//!
//! **Times.** The first check comes when an endpoint joins, the others [60 s](HealthConfig::interval) apart, or
//! [300 s](HealthConfig::unhealthy_interval) while it is unhealthy, each a little [earlier or later](HealthConfig::jitter).
//! An endpoint never has two checks at once, and all together never more than [16](HealthConfig::max_concurrent); what is
//! due beyond that begins in the order in which it was due. A slow check takes one of these places and delays no other.
//! Where there is more to check than these places can do, intervals grow and nobody is left out: see
//! [`max_concurrent`](HealthConfig::max_concurrent). No check looks at all endpoints: beside what the probe does it costs
//! `O(log n)`.
//!
//! **Readiness.** Changes of members go through at once, whatever the checks do. An endpoint that is to start
//! [closed](Start::Closed) is closed before the pool knows of it.
//!
//! **Cancellation.** A check is dropped when its time is up or its endpoint leaves. Dropping the discovery, with its pool,
//! ends the background task and all checks, and opens the gates. An endpoint that is inserted again while it is a member
//! keeps its state, and a check under way goes on; the next is given the new target. One that left and comes back is new.
//!
//! **Streaming.** A check lasts as long as the probe's future.
//!
//! **Sharing.** A layer is for one pool. Pools over one roster that each have a layer share their endpoints' gates: whoever
//! is unhealthy to one is closed for all, and what one opens the other closes again within a second. [`HealthHandle`] tells
//! the [status](HealthHandle::status) of every endpoint at any time, follows transitions, asks for a check now, and tells
//! its counts ([`Collect`](crate::collect::Collect)). Each transition is a `tracing` event too.
//!
//! **Errors.** Those of the discovery go through. A probe that costs money and has no
//! [cap](HealthConfig::paid_per_hour) is refused when the layer is made, as settings out of range are.
//!
//! # Example
//!
//! ```
//! # #[cfg(not(all(feature = "balance", feature = "testing")))] fn main() {}
//! # #[cfg(all(feature = "balance", feature = "testing"))]
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), campanile::BoxError> {
//! use campanile::balance::{BalanceLayer, LeastLoaded, SlowStart};
//! use campanile::discover::{PerEndpointLayer, Roster};
//! use campanile::health::{Check, HealthConfig, HealthLayer, HealthState, Report};
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! // Where each member is; "down" is no address.
//! let roster = Roster::new();
//! roster.insert("a", "10.0.0.1")?;
//! roster.insert("b", "down")?;
//!
//! let probe = |check: Check<&'static str>| async move {
//!     match check.target {
//!         "down" => Report::unhealthy("connection refused"),
//!         _ => Report::healthy().with_metric("queue", 3.0),
//!     }
//! };
//! let config = HealthConfig::default().with_interval(Duration::from_secs(15));
//! let checks = HealthLayer::with_config(probe, config)?;
//! let health = checks.handle();
//!
//! let pool = ServiceBuilder::new()
//!     .layer(BalanceLayer::new(SlowStart::new(LeastLoaded::default())))
//!     .layer(PerEndpointLayer::new(|_: &campanile::Endpoint, address: &'static str| {
//!         tower::service_fn(move |_: ()| async move { Ok::<_, campanile::BoxError>(address) })
//!     }))
//!     .layer(checks)
//!     .service(roster.changes());
//!
//! // Three checks later.
//! tokio::time::sleep(Duration::from_secs(60)).await;
//! let status = health.status("b").unwrap();
//! assert_eq!(status.state, HealthState::Unhealthy);
//! assert_eq!(status.message, "connection refused");
//! assert_eq!(health.status("a").unwrap().metrics["queue"], 3.0);
//! for _ in 0..10 {
//!     assert_eq!(pool.clone().oneshot(()).await?, "10.0.0.1");
//! }
//! # Ok(()) }
//! ```

mod cap;
mod companion;
mod config;
mod entry;
mod fleet;
mod handle;
mod layer;
mod members;
mod monitor;
pub mod outlier;
mod probe;
mod schedule;
mod shared;
mod state;
mod status;
#[cfg(all(test, feature = "testing"))]
mod tests;

pub use config::{HealthConfig, Start};
pub use fleet::PanicThreshold;
pub use handle::HealthHandle;
pub use layer::HealthLayer;
pub use members::Monitored;
pub use outlier::{
    OutlierCause, OutlierConfig, OutlierHandle, OutlierLayer, OutlierSnapshot, OutlierStatus,
};
pub use probe::{
    All, Any, AverageLatency, BoxProbe, Check, ErrorRate, Find, Label, Paid, Probe, Report,
    ResponseTime, Same, ServiceProbe, Target, TcpProbe, Verdict,
};
#[cfg(feature = "http")]
pub use probe::{GrpcProbe, HttpAnswer, HttpProbe};
pub use state::HealthState;
pub use status::{CheckResult, HealthSnapshot, HealthStatus, HealthSummary, Transition};

pub(crate) use fleet::{Fleet, MemberId};
pub(crate) use members::Membership;
