//! An estimate of an endpoint's latency that neither failures nor cancellations nor silence can make look good.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    Peer, View,
    pace::{Float, Pace, decay, load, seconds, store, turn},
};
use crate::{endpoint::Endpoint, time::Timestamp};

/// The weight of the newest sample in a plain average, and in the pool's mean.
const NEWEST: f64 = 0.1;

/// The pool's mean takes so many samples within the time in which estimates fade.
const MEAN_SAMPLES: f64 = 64.0;

/// What is known of an idle endpoint fades towards so much of the pool's mean: less than all of it, since an endpoint that
/// looked slow is otherwise never tried again where latencies do not vary.
const TRIED_AGAIN: f64 = 0.95;

/// An idle time shorter than this share of it is no time to fade.
const NOTABLE: f64 = 1.0 / 64.0;

/// Calls that follow each other faster than this, in nanoseconds, are not all sampled, as with the endpoint's own
/// averages.
const QUANTUM: u64 = 131_072;

/// What [`PeakEwma`](super::PeakEwma) and [`Fastest`](super::Fastest) keep of an endpoint: an estimate of its latency.
#[derive(Debug, Default)]
pub struct LatencyState {
    /// Seconds, 0 while unknown.
    estimate: Float,
    /// When the last sample was taken.
    sampled: AtomicU64,
    /// While calls are in flight, when one of them completed last or the first of them began; otherwise, up to when the
    /// estimate has faded.
    since: AtomicU64,
    /// Seconds spent in cancelled calls since one completed.
    cancelled: Float,
}

/// How samples make an estimate.
#[derive(Debug)]
pub(super) struct Estimator {
    blend: Blend,
    /// Seconds.
    fade: f64,
    /// Seconds.
    initial: f64,
    mean: Float,
    mean_pace: Pace,
    refresh: Pace,
}

/// What a sample does to the estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blend {
    /// A higher one replaces it; a lower one draws it down with the time that has passed.
    Peak,
    /// The newest weighs a tenth, or more if it comes late.
    Average,
}

// ===== impl Estimator =====

impl Estimator {
    pub(super) fn new(blend: Blend, fade: f64, initial: f64) -> Self {
        Self {
            blend,
            fade,
            initial,
            mean: Float::default(),
            mean_pace: Pace::default(),
            refresh: Pace::default(),
        }
    }

    /// The pool's mean, in seconds: what an endpoint is taken for while nothing is known of it.
    pub(super) fn mean(&self) -> f64 {
        let mean = load(&self.mean);
        if mean > 0.0 { mean } else { self.initial }
    }

    pub(super) fn join(&self, peer: Peer<'_, LatencyState>, now: Timestamp) {
        peer.state.since.store(now.as_nanos(), Ordering::Relaxed);
        // What an earlier pool thought of it.
        peer.publish(0.0);
    }

    #[inline(always)]
    pub(super) fn begin(&self, peer: Peer<'_, LatencyState>, now: Timestamp) {
        if now.as_nanos().saturating_sub(peer.state.since().as_nanos()) > QUANTUM {
            self.begin_anew(peer, now);
        }
    }

    fn begin_anew(&self, peer: Peer<'_, LatencyState>, now: Timestamp) {
        if peer.endpoint.in_flight() <= 1 {
            self.fade(peer, now);
            peer.state.set_since(now);
        } else {
            self.grow(peer, now);
        }
    }

    /// A call succeeded after `sample` seconds.
    #[inline(always)]
    pub(super) fn done(&self, peer: Peer<'_, LatencyState>, now: Timestamp, sample: f64) {
        let state = peer.state;
        let age = now
            .as_nanos()
            .saturating_sub(state.sampled.load(Ordering::Relaxed));
        if age > QUANTUM || sample > load(&state.estimate) || load(&state.cancelled) > 0.0 {
            self.take_sample(peer, now, sample);
        }
    }

    fn take_sample(&self, peer: Peer<'_, LatencyState>, now: Timestamp, sample: f64) {
        let state = peer.state;
        // Zero means unknown.
        let sample = sample.max(1e-9);
        let known = load(&state.estimate);
        let estimate = if known == 0.0 || (self.blend == Blend::Peak && sample > known) {
            sample
        } else {
            let then = Timestamp::from_nanos(state.sampled.load(Ordering::Relaxed));
            let (_, by_time) = decay(seconds(then, now) / self.fade);
            let share = match self.blend {
                Blend::Peak => by_time,
                Blend::Average => by_time.max(NEWEST),
            };
            known + share * (sample - known)
        };
        state.sampled.store(now.as_nanos(), Ordering::Relaxed);
        state.completed(now);
        set(peer, estimate);
        if self.mean_pace.due(now, || self.fade / MEAN_SAMPLES) {
            let mean = load(&self.mean);
            let mean = if mean > 0.0 {
                mean + NEWEST * (sample - mean)
            } else {
                sample
            };
            store(&self.mean, mean);
        }
    }

    /// A call failed after so many seconds: this may look slow, never fast.
    pub(super) fn failed(&self, peer: Peer<'_, LatencyState>, now: Timestamp, elapsed: f64) {
        peer.state.completed(now);
        self.raise(peer, elapsed);
    }

    /// A call ended that says nothing.
    pub(super) fn ignored(&self, peer: Peer<'_, LatencyState>, now: Timestamp) {
        peer.state.completed(now);
    }

    /// A call was given up after so many seconds without an answer. It would have taken longer than that; and when none
    /// has completed since others were given up, longer than all of them together, as far as is known.
    pub(super) fn cancelled(&self, peer: Peer<'_, LatencyState>, now: Timestamp, elapsed: f64) {
        let state = peer.state;
        let before = load(&state.cancelled);
        store(&state.cancelled, before + elapsed);
        if before > 0.0 {
            let known = self.known(state);
            set(peer, (known + elapsed).max(elapsed));
        } else {
            self.raise(peer, elapsed);
        }
        if peer.endpoint.in_flight() == 0 {
            state.set_since(now);
        }
    }

    /// Raises the estimate to at least so many seconds.
    pub(super) fn raise(&self, peer: Peer<'_, LatencyState>, least: f64) {
        if self.known(peer.state) < least {
            set(peer, least);
        }
    }

    /// Looks at a random member now and then, since nothing else happens at one that is idle or stuck.
    #[inline(always)]
    pub(super) fn refresh<V: View<LatencyState>>(&self, view: &V) {
        let len = view.len();
        let now = view.now();
        if len > 1 && self.refresh.due(now, || turn(self.fade, len)) {
            let index = view.random(len);
            self.touch(view.endpoint(index), view.state(index), now);
        }
    }

    #[cold]
    fn touch(&self, endpoint: &Endpoint, state: &LatencyState, now: Timestamp) {
        let peer = Peer { endpoint, state };
        if endpoint.in_flight() == 0 {
            self.fade(peer, now);
        } else {
            self.grow(peer, now);
        }
    }

    /// What is known fades towards nearly the pool's mean while the endpoint is idle.
    fn fade(&self, peer: Peer<'_, LatencyState>, now: Timestamp) {
        let idle = seconds(peer.state.since(), now) / self.fade;
        let known = load(&peer.state.estimate);
        if known == 0.0 || idle < NOTABLE {
            return;
        }
        let (kept, _) = decay(idle);
        let mean = TRIED_AGAIN * self.mean();
        peer.state.set_since(now);
        set(peer, mean + kept * (known - mean));
    }

    /// Some call has been in flight ever since, and none has completed.
    fn grow(&self, peer: Peer<'_, LatencyState>, now: Timestamp) {
        let silent = seconds(peer.state.since(), now);
        if silent > load(&peer.state.estimate) {
            self.raise(peer, silent);
        }
    }

    fn known(&self, state: &LatencyState) -> f64 {
        let known = load(&state.estimate);
        if known > 0.0 { known } else { self.mean() }
    }

    pub(super) fn inspect(
        &self,
        peer: Peer<'_, LatencyState>,
        name: &'static str,
        show: &mut dyn FnMut(&'static str, f64),
    ) {
        show(name, self.known(peer.state));
    }

    /// The rank that a pick sees, or the pool's mean where there is none yet.
    #[inline]
    pub(super) fn rank(&self, rank: f32) -> f32 {
        if rank > 0.0 { rank } else { self.mean() as f32 }
    }
}

fn set(peer: Peer<'_, LatencyState>, estimate: f64) {
    store(&peer.state.estimate, estimate);
    peer.publish(estimate as f32);
}

// ===== impl LatencyState =====

impl LatencyState {
    fn since(&self) -> Timestamp {
        Timestamp::from_nanos(self.since.load(Ordering::Relaxed))
    }

    fn set_since(&self, now: Timestamp) {
        self.since.store(now.as_nanos(), Ordering::Relaxed);
    }

    fn completed(&self, now: Timestamp) {
        self.set_since(now);
        if load(&self.cancelled) > 0.0 {
            store(&self.cancelled, 0.0);
        }
    }
}
