//! A weight that ramps up after joining or reopening.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    Adapt, Adapter, End, Peer, Pick, Prepare, Strategy, View, adapt::forward_hooks, hash::mix,
};
use crate::{
    config::Invalid,
    endpoint::{Endpoint, Reason},
    time::{Timestamp, nanos},
};

mod config;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

pub use config::SlowStartConfig;

/// In how many steps the weight ramps for strategies that keep tables of weights.
const STEPS: u64 = 20;
/// [`SlowStartState::since`] while the member is closed.
const CLOSED: u64 = u64::MAX;

/// Lets a member begin with a tenth of its weight after it has joined or reopened, and gives it the whole over 30 s.
///
/// A process that has just come up has cold caches, few connections and a queue of zero, which makes it the favourite
/// of every rule that looks for the least load. The inner strategy must honour weights; one that ignores them
/// ([`Random`](super::Random), [`RoundRobin`](super::RoundRobin)) is not slowed.
///
/// **How a reopening is seen.** Nobody announces one. A pick that looks at a member and finds it closed notes that, and
/// so does a call that ends at a closed member (as those do that made its breaker open); the first pick that then finds
/// it open starts the ramp. A closing at which no pick looked, and during which no call ended, is not seen: either it
/// was shorter than the pause between two looks of the strategy, or there was no traffic to protect the member from.
/// Members that are closed because a quota or a concurrency limit is used up do not start again: they are warm.
///
/// A new pool, whose members all begin at once, is even from the start.
///
/// ```
/// use campanile::balance::{BalanceLayer, LeastLoaded, SlowStart};
///
/// let layer = BalanceLayer::new(SlowStart::new(LeastLoaded::default()));
/// # let _ = layer;
/// ```
#[derive(Debug, Default)]
pub struct SlowStart<St> {
    inner: St,
    config: SlowStartConfig,
    /// When the last ramp that has begun ends.
    ramps_until: AtomicU64,
    /// How many members are noted as closed: while there are none, and no ramp, a pick reads no member's state. Members
    /// that leave while they are closed stay counted, which costs those reads and nothing else.
    closed: AtomicU64,
}

/// What [`SlowStart`] keeps of an endpoint, with the inner strategy's state.
#[derive(Debug, Default)]
pub struct SlowStartState<T> {
    inner: T,
    /// When the ramp began, or [`CLOSED`].
    since: AtomicU64,
}

struct Ramp<'a> {
    config: &'a SlowStartConfig,
    ramps_until: &'a AtomicU64,
    closed: &'a AtomicU64,
}

// ===== impl SlowStart =====

impl<St> SlowStart<St> {
    /// Slows the start of `inner`'s members.
    #[must_use]
    pub fn new(inner: St) -> Self {
        Self {
            inner,
            config: SlowStartConfig::default(),
            ramps_until: AtomicU64::new(0),
            closed: AtomicU64::new(0),
        }
    }

    /// The strategy within.
    pub const fn inner(&self) -> &St {
        &self.inner
    }

    /// Sets how to ramp.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn config(mut self, config: SlowStartConfig) -> Result<Self, Invalid> {
        self.config = config.build()?;
        Ok(self)
    }

    const fn ramp(&self) -> Ramp<'_> {
        Ramp {
            config: &self.config,
            ramps_until: &self.ramps_until,
            closed: &self.closed,
        }
    }
}

impl<St: Strategy> Strategy for SlowStart<St> {
    type State = SlowStartState<St::State>;

    forward_hooks!(inner, |state| &state.inner; begin data report);

    fn join(&self, peer: Peer<'_, Self::State>, now: Timestamp) {
        peer.state.since.store(now.as_nanos(), Ordering::Relaxed);
        self.ramp().ramps(now);
        self.inner.join(peer.map(|state| &state.inner), now);
    }

    #[inline]
    fn end(&self, peer: Peer<'_, Self::State>, end: &End<'_>) {
        self.inner.end(peer.map(|state| &state.inner), end);
        if !end.outcome.is_success() {
            self.ramp().note_closed(peer.endpoint, peer.state, end.now);
        }
    }

    fn inspect(&self, peer: Peer<'_, Self::State>, show: &mut dyn FnMut(&'static str, f64)) {
        let since = peer.state.since.load(Ordering::Relaxed);
        if since != CLOSED {
            show(
                "ramp_began_seconds",
                Timestamp::from_nanos(since)
                    .since(Timestamp::ZERO)
                    .as_secs_f64(),
            );
        }
        self.inner.inspect(peer.map(|state| &state.inner), show);
    }
}

impl<Req, St: Pick<Req>> Pick<Req> for SlowStart<St> {
    #[inline]
    fn pick<V: View<Self::State>>(&self, view: &V, request: &Req) -> Option<usize> {
        self.inner.pick(&Adapt::new(view, self.ramp()), request)
    }

    fn prepare<V: View<Self::State>>(&self, view: &V, request: &Req) -> Option<Prepare> {
        self.inner.prepare(&Adapt::new(view, self.ramp()), request)
    }
}

// ===== impl Ramp =====

impl Ramp<'_> {
    /// Notes that a member is closed for a reason after which it must start again.
    #[cold]
    fn note_closed<T>(&self, endpoint: &Endpoint, state: &SlowStartState<T>, now: Timestamp) {
        let restarts = |reason| !matches!(reason, Reason::Quota | Reason::Concurrency);
        let since = state.since.load(Ordering::Relaxed);
        if since != CLOSED
            && endpoint
                .gate()
                .reasons(now)
                .any(|(reason, _)| restarts(reason))
            && state
                .since
                .compare_exchange(since, CLOSED, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.closed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A member was noted as closed and is open.
    #[cold]
    fn reopened<T>(&self, state: &SlowStartState<T>, now: Timestamp) {
        let began = state.since.compare_exchange(
            CLOSED,
            now.as_nanos(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if began.is_ok() {
            self.closed.fetch_sub(1, Ordering::Relaxed);
            self.ramps(now);
        }
    }

    fn ramps(&self, now: Timestamp) {
        let until = now.after(self.config.window);
        self.ramps_until
            .fetch_max(until.as_nanos(), Ordering::Relaxed);
    }

    /// The share of its weight that a member has now.
    #[inline]
    fn share<T>(&self, state: &SlowStartState<T>, now: Timestamp) -> f32 {
        let since = state.since.load(Ordering::Relaxed);
        if since == CLOSED {
            return self.config.initial as f32;
        }
        let age = now.as_nanos().saturating_sub(since);
        let window = nanos(self.config.window);
        if age >= window {
            return 1.0;
        }
        let done = age as f64 / window as f64;
        (self.config.initial + (1.0 - self.config.initial) * done) as f32
    }
}

impl<T: 'static> Adapter<SlowStartState<T>> for Ramp<'_> {
    type Inner = T;

    #[inline]
    fn state<'a>(&self, state: &'a SlowStartState<T>) -> &'a T {
        &state.inner
    }

    #[inline]
    fn allows<V: View<SlowStartState<T>>>(&self, view: &V, index: usize) -> bool {
        if self.closed.load(Ordering::Relaxed) > 0 {
            let state = view.state(index);
            if state.since.load(Ordering::Relaxed) == CLOSED {
                self.reopened(state, view.now());
            }
        }
        true
    }

    #[inline]
    fn weight<V: View<SlowStartState<T>>>(&self, view: &V, index: usize, weight: f32) -> f32 {
        if view.now().as_nanos() >= self.ramps_until.load(Ordering::Relaxed) {
            return weight;
        }
        weight * self.share(view.state(index), view.now())
    }

    fn closed<V: View<SlowStartState<T>>>(&self, view: &V, index: usize) {
        // Not picked, for this call's own reasons perhaps: the gate knows.
        self.note_closed(view.endpoint(index), view.state(index), view.now());
    }

    /// While a member ramps the weights change by themselves: tables follow in steps.
    fn version<V: View<SlowStartState<T>>>(&self, view: &V) -> u64 {
        let until = self.ramps_until.load(Ordering::Relaxed);
        let now = view.now().as_nanos();
        if now >= until {
            // Later ramps end later: no table of before this ramp is taken for one of after it.
            return mix(view.version() ^ mix(until));
        }
        let step = (nanos(self.config.window) / STEPS).max(1);
        mix(view.version() ^ mix(until ^ (now / step).rotate_left(48)))
    }
}
