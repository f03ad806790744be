//! A weight that ramps up after joining or reopening.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Adapt, Adapter, Peer, Pick, Prepare, Strategy, View, adapt::forward_hooks, hash::mix};
use crate::{
    config::Invalid,
    time::{Timestamp, nanos},
};

mod config;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

pub use config::SlowStartConfig;

/// In how many steps the weight ramps for strategies that keep tables of weights.
const STEPS: u64 = 20;

/// Lets a member begin with a tenth of its weight after it has joined or reopened, and gives it the whole over 30 s.
///
/// A process that has just come up has cold caches, few connections and a queue of zero, which makes it the favourite
/// of every rule that looks for the least load. The inner strategy must honour weights; one that ignores them
/// ([`Random`](super::Random), [`RoundRobin`](super::RoundRobin)) is not slowed.
///
/// **How a reopening is seen.** An endpoint notes when it was found, or made, open again, and tells its pools that some
/// member was. From the next pick on, and for as long as a ramp takes, picks compare the members that they look at: the
/// first that looks at one which has reopened starts its ramp, however long ago that was, unless calls have come to it
/// meanwhile by another way. One at which no pick looks in that time has so little traffic that there is nothing to
/// protect it from. Members that were closed because a quota or a concurrency limit was used up do not start again: they
/// are warm.
///
/// When many reopen at once they ramp alike, and share evenly what falls to them.
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
    /// The latest reopening that picks know of.
    reopened: AtomicU64,
    /// Until when picks compare the members that they look at. Beyond, and without a ramp, they read no member's state.
    looks_until: AtomicU64,
}

/// What [`SlowStart`] keeps of an endpoint, with the inner strategy's state.
#[derive(Debug, Default)]
pub struct SlowStartState<T> {
    inner: T,
    /// When the ramp began.
    since: AtomicU64,
}

struct Ramp<'a> {
    config: &'a SlowStartConfig,
    ramps_until: &'a AtomicU64,
    reopened: &'a AtomicU64,
    looks_until: &'a AtomicU64,
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
            reopened: AtomicU64::new(0),
            looks_until: AtomicU64::new(0),
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
            reopened: &self.reopened,
            looks_until: &self.looks_until,
        }
    }
}

impl<St: Strategy> Strategy for SlowStart<St> {
    type State = SlowStartState<St::State>;

    forward_hooks!(inner, |state| &state.inner; begin first_data data report end);

    fn join(&self, peer: Peer<'_, Self::State>, now: Timestamp) {
        peer.state.since.store(now.as_nanos(), Ordering::Relaxed);
        self.ramp().ramps(now);
        self.inner.join(peer.map(|state| &state.inner), now);
    }

    fn inspect(&self, peer: Peer<'_, Self::State>, show: &mut dyn FnMut(&'static str, f64)) {
        let since = peer.state.since.load(Ordering::Relaxed);
        show(
            "ramp_began_seconds",
            Timestamp::from_nanos(since)
                .since(Timestamp::ZERO)
                .as_secs_f64(),
        );
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
    /// Some member has reopened.
    #[cold]
    fn look_from(&self, reopened: u64, now: Timestamp) {
        self.reopened.fetch_max(reopened, Ordering::Relaxed);
        let until = now.after(self.config.window).as_nanos();
        self.looks_until.fetch_max(until, Ordering::Relaxed);
    }

    /// Starts the ramp of a member that has reopened since the last one.
    fn look<T, V: View<SlowStartState<T>>>(&self, view: &V, index: usize) {
        let state = view.state(index);
        let endpoint = view.endpoint(index);
        let since = state.since.load(Ordering::Relaxed);
        let reopened = endpoint.reopened_at();
        if reopened.as_nanos() <= since {
            return;
        }
        let in_use = endpoint
            .measurements()
            .last_used()
            .is_some_and(|used| used > reopened);
        // Not before it reopened, which may have been while this pick was under way.
        let begin = if in_use {
            reopened
        } else {
            view.now().max(reopened)
        };
        let began = state.since.compare_exchange(
            since,
            begin.as_nanos(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if began.is_ok() {
            self.ramps(begin);
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
        let reopened = view.reopened().as_nanos();
        if reopened > self.reopened.load(Ordering::Relaxed) {
            self.look_from(reopened, view.now());
        }
        if view.now().as_nanos() < self.looks_until.load(Ordering::Relaxed) {
            self.look(view, index);
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
