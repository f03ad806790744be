//! Which endpoint gets a call.
//!
//! A [`Strategy`] keeps a state of its own beside each endpoint and hears how every call goes; [`Pick`] chooses, for
//! one request, among the members that a [`View`] shows. The view is generic, so that decorators (the [`FastFail`]
//! guard, [`AvoidTried`], [`Tiers`], [`SlowStart`]) can show less of it, or other weights, at no cost.
//!
//! | strategy | picks |
//! |---|---|
//! | [`RoundRobin`], [`Random`], [`Weighted`] | by turns or chance, whatever the load |
//! | [`LeastLoaded`] | the fewest of our own calls in flight |
//! | [`Wjsq`] | the shortest queue by speed, on load that endpoints report |
//! | [`Prequal`] | the fastest of those that are not hot |
//! | [`Affinity`] | the same member for the same key, if it has room |
//!
//! # A strategy of your own
//!
//! With a state of its own beside each endpoint: here the share of its memory that an endpoint reported on its last
//! response.
//!
//! ```
//! use campanile::balance::{LoadReport, Peer, Pick, Strategy, View, sample_least};
//! use campanile::time::Timestamp;
//! use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
//!
//! /// The one of two random members that reported more free memory.
//! #[derive(Debug)]
//! struct MostMemory;
//!
//! /// The share in use, as the bits of an `f32`; 0 until it is reported.
//! #[derive(Debug, Default)]
//! struct Memory(AtomicU32);
//!
//! impl Strategy for MostMemory {
//!     type State = Memory;
//!
//!     fn report(&self, peer: Peer<'_, Memory>, _now: Timestamp, report: &LoadReport) {
//!         if let Some(used) = report.memory {
//!             peer.state.0.store((used as f32).to_bits(), Relaxed);
//!         }
//!     }
//! }
//!
//! impl<Req> Pick<Req> for MostMemory {
//!     fn pick<V: View<Memory>>(&self, view: &V, _request: &Req) -> Option<usize> {
//!         sample_least(view, 2, |index, _| f32::from_bits(view.state(index).0.load(Relaxed)))
//!     }
//! }
//!
//! # use campanile::{BoxError, balance::BalanceLayer, discover::{PerEndpointLayer, Roster}};
//! # use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let roster = Roster::new();
//! roster.insert("full", 0.9)?;
//! roster.insert("free", 0.2)?;
//! let mut pool = ServiceBuilder::new()
//!     .layer(BalanceLayer::new(MostMemory).reports(|used: &f64| Some(LoadReport {
//!         memory: Some(*used),
//!         ..LoadReport::default()
//!     })))
//!     .layer(PerEndpointLayer::new(|_: &campanile::Endpoint, used: f64| {
//!         service_fn(move |(): ()| async move { Ok::<f64, BoxError>(used) })
//!     }))
//!     .service(roster.changes());
//!
//! for _ in 0..20 {
//!     pool.ready().await?.call(()).await?;
//! }
//! // Each once, to hear of its memory; then the one that has more.
//! assert!(roster.get("free").unwrap().outcomes().success >= 18);
//! # Ok(()) }
//! ```

use std::{fmt, future::Future, pin::Pin, time::Duration};

use crate::{
    context::Context,
    cost::{Cost, Usage},
    endpoint::Endpoint,
    outcome::Outcome,
    time::Timestamp,
};

mod adapt;
mod affinity;
mod avoid_tried;
mod ebw;
mod estimate;
mod fast_fail;
mod fastest;
mod few;
mod hash;
mod least_cost;
mod least_loaded;
mod pace;
mod peak_ewma;
mod prequal;
mod probe;
mod random;
mod round_robin;
mod sample;
#[cfg(all(test, not(campanile_loom)))]
mod simulation;
mod slow_start;
mod table;
mod tiers;
mod weighted;
mod wjsq;

#[cfg(all(test, feature = "testing", not(campanile_loom)))]
mod pool_tests;
// Not every helper is used by the tests of every set of features.
#[cfg(all(test, not(campanile_loom)))]
#[allow(dead_code)]
mod test_view;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

pub use crate::endpoint::LoadReport;
pub use adapt::{Adapt, Adapter};
pub use affinity::{Affinity, AffinityConfig, AffinityKey, ByConversation};
pub use avoid_tried::AvoidTried;
pub use ebw::{Ebw, EbwConfig, EbwState};
pub use estimate::LatencyState;
pub use fast_fail::{FastFail, FastFailConfig, FastFailState};
pub use fastest::{Fastest, FastestConfig, Timing};
pub use hash::affinity_key;
pub use least_cost::{LeastCost, LeastCostState};
pub use least_loaded::LeastLoaded;
pub use peak_ewma::{PeakEwma, PeakEwmaConfig};
pub use prequal::{Prequal, PrequalConfig, PrequalState};
pub use probe::{NoProbes, ReportSource, Reported};
pub use random::Random;
pub use round_robin::RoundRobin;
pub use sample::{argmin, sample, sample_least, scan_least};
pub use slow_start::{SlowStart, SlowStartConfig, SlowStartState};
pub use tiers::{Tiers, TiersConfig};
pub use weighted::Weighted;
pub use wjsq::{Wjsq, WjsqConfig};

/// What a strategy keeps of each endpoint, and how it learns. Every method has a default that does nothing.
///
/// The methods run on the path of every call, on any thread: no lock, no allocation, no clock.
pub trait Strategy: fmt::Debug + Send + Sync + 'static {
    /// What the strategy keeps beside each endpoint. Made when the endpoint joins, kept while its measurements are.
    type State: Default + fmt::Debug + Send + Sync + 'static;

    /// An endpoint has joined the pool.
    fn join(&self, peer: Peer<'_, Self::State>, now: Timestamp) {
        let _ = (peer, now);
    }

    /// A call begins. It is counted already: [`Endpoint::in_flight`] includes it.
    fn begin(&self, peer: Peer<'_, Self::State>, begin: &Begin) {
        let _ = (peer, begin);
    }

    /// The first piece of the answer of a call that began at `started` arrived. [`data`](Self::data) follows.
    #[inline]
    fn first_data(&self, peer: Peer<'_, Self::State>, started: Timestamp, now: Timestamp) {
        let _ = (peer, started, now);
    }

    /// A piece of a streamed answer arrived, of so many units of work.
    fn data(&self, peer: Peer<'_, Self::State>, now: Timestamp, units: u64) {
        let _ = (peer, now, units);
    }

    /// The endpoint reported its load, on a response or to a probe.
    fn report(&self, peer: Peer<'_, Self::State>, now: Timestamp, report: &LoadReport) {
        let _ = (peer, now, report);
    }

    /// A call has ended, in whichever way. It is no longer counted in [`Endpoint::in_flight`].
    fn end(&self, peer: Peer<'_, Self::State>, end: &End<'_>) {
        let _ = (peer, end);
    }

    /// The numbers worth showing of an endpoint's state, by name.
    fn inspect(&self, peer: Peer<'_, Self::State>, show: &mut dyn FnMut(&'static str, f64)) {
        let _ = (peer, show);
    }
}

/// Chooses the endpoint for a request.
pub trait Pick<Req>: Strategy {
    /// The index of a member that may be picked, or `None` when there is none. The choice must be of those whose
    /// [`View::load`] is `Some`.
    fn pick<V: View<Self::State>>(&self, view: &V, request: &Req) -> Option<usize>;

    /// What to wait for before the pick: probes. `None`, the default, picks at once.
    fn prepare<V: View<Self::State>>(&self, view: &V, request: &Req) -> Option<Prepare> {
        let _ = (view, request);
        None
    }
}

/// Probes on their way. Boxed: a probe crosses a network, and strategies that send none pay nothing.
pub type Prepare = Pin<Box<dyn Future<Output = Vec<Probed>> + Send>>;

/// The answer to a probe, for the pick that follows.
#[derive(Debug, Clone)]
pub struct Probed {
    /// Where the endpoint stood in the view that the probe was sent from. Members may have moved since: compare.
    pub index: usize,
    /// Who was probed.
    pub endpoint: Endpoint,
    /// What it reported.
    pub report: LoadReport,
}

/// The members of a pool as one pick sees them, by index from 0.
pub trait View<T> {
    /// How many members there are, closed ones included.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The calls in flight at a member that may be picked; `None` for one that may not.
    fn load(&self, index: usize) -> Option<u32>;

    /// Load, rank and weight of a member that may be picked, read together: cheaper than one by one.
    #[inline(always)]
    fn glance(&self, index: usize) -> Option<Glance> {
        Some(Glance {
            load: self.load(index)?,
            rank: self.rank(index),
            weight: self.weight(index),
        })
    }

    /// The number that the strategy published for a member with [`Peer::publish`], 0 before. It lies beside the load:
    /// reading both is as cheap as reading one.
    fn rank(&self, index: usize) -> f32;

    /// A member's weight.
    fn weight(&self, index: usize) -> f32;

    /// A member.
    fn endpoint(&self, index: usize) -> &Endpoint;

    /// The strategy's own state of a member.
    fn state(&self, index: usize) -> &T;

    /// When a member joined.
    fn joined(&self, index: usize) -> Timestamp;

    /// When the call began.
    fn now(&self) -> Timestamp;

    /// A random number below `below`, which must not be 0.
    fn random(&self, below: usize) -> usize;

    /// Two random numbers below `below`, which must not be below 2; never the same.
    #[inline(always)]
    fn random_pair(&self, below: usize) -> (usize, usize) {
        let first = self.random(below);
        let second = self.random(below - 1);
        (first, second + usize::from(second >= first))
    }

    /// Changes whenever the members or a weight do: for tables that are computed from them.
    fn version(&self) -> u64;

    /// When a member was last seen to have reopened after something from which it starts again: anything but a quota or a
    /// limit that was used up. [`Timestamp::ZERO`] if none has.
    fn reopened(&self) -> Timestamp;

    /// What travels with the call.
    fn context(&self) -> Option<&Context>;

    /// What the call is estimated to take.
    fn cost(&self) -> &Cost;

    /// The answers to the probes of [`Pick::prepare`].
    fn probed(&self) -> &[Probed];
}

/// What a pick sees of a member at one glance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glance {
    /// Calls in flight.
    pub load: u32,
    /// What the strategy published, 0 before.
    pub rank: f32,
    /// Its weight.
    pub weight: f32,
}

/// An endpoint with the strategy's state of it.
#[derive(Debug)]
pub struct Peer<'a, T> {
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// The strategy's own state.
    pub state: &'a T,
}

/// How a call begins.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Begin {
    /// When.
    pub now: Timestamp,
    /// What it is estimated to take.
    pub cost: Cost,
}

/// How a call ended.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct End<'a> {
    /// When it began.
    pub started: Timestamp,
    /// When its head arrived.
    pub head: Option<Timestamp>,
    /// When the first piece of its body or stream arrived.
    pub first_data: Option<Timestamp>,
    /// When it ended.
    pub now: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// The units of work of its body or stream, which [`Strategy::data`] was told of one by one.
    pub units: u64,
    /// What it was estimated to take.
    pub cost: Cost,
    /// What it took, if the upstream said.
    pub usage: Option<&'a Usage>,
}

// ===== impl Peer =====

impl<T> Clone for Peer<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Peer<'_, T> {}

impl<'a, T> Peer<'a, T> {
    /// Publishes the number that [`View::rank`] shows. One plain store.
    #[inline]
    pub fn publish(&self, rank: f32) {
        self.endpoint.cell().set_rank(rank);
    }

    /// The number published last.
    #[inline]
    #[must_use]
    pub fn rank(&self) -> f32 {
        self.endpoint.cell().rank()
    }

    /// The same endpoint with a part of the state: for decorators.
    #[inline]
    pub fn map<U>(self, part: impl FnOnce(&'a T) -> &'a U) -> Peer<'a, U> {
        Peer {
            endpoint: self.endpoint,
            state: part(self.state),
        }
    }
}

// ===== impl End =====

impl End<'_> {
    /// How long the call took, to the end of its body.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now.since(self.started)
    }
}
