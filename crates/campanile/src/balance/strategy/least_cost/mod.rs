use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    Begin, End, Glance, Peer, Pick, Strategy, View,
    pace::{Float, Pace, load, store},
    sample_least, scan_least,
};
use crate::{cost::Cost, time::Timestamp};

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// The weight of the newest sample in the mean cost.
const NEWEST: f64 = 0.1;

/// How often, in seconds, the mean cost takes a sample.
const SAMPLES: f64 = 0.01;

/// The fewest tokens outstanding by weight, this call's own included: of two random members, or of all.
///
/// Tokens are those of the [`Cost`] that the call's context or the pool's
/// [`cost`](crate::balance::BalanceLayer::cost) says. A call of unknown cost counts as the mean of the known ones, or as
/// 1 while none is known, so that without any costs this is [`LeastLoaded`](super::LeastLoaded). A streamed answer's
/// tokens are outstanding to its end.
///
/// ```
/// use campanile::balance::{BalanceLayer, LeastCost};
/// use campanile::Cost;
///
/// let layer = BalanceLayer::new(LeastCost::full_scan()).cost(|prompt: &String| Cost::tokens(prompt.len() as u64 / 4));
/// # let _ = layer;
/// ```
#[derive(Debug, Default)]
pub struct LeastCost {
    full_scan: bool,
    /// Tokens, 0 while unknown.
    mean: Float,
    pace: Pace,
}

/// What [`LeastCost`] keeps of an endpoint.
#[derive(Debug, Default)]
pub struct LeastCostState {
    /// Calls in flight of unknown cost.
    unknown: AtomicU64,
}

// ===== impl LeastCost =====

impl LeastCost {
    /// The better of two random members, the default.
    #[must_use]
    pub fn two_choices() -> Self {
        Self::default()
    }

    /// The best of all members.
    #[must_use]
    pub fn full_scan() -> Self {
        Self {
            full_scan: true,
            ..Self::default()
        }
    }

    /// What a call of unknown cost counts as.
    #[inline]
    fn mean(&self) -> f64 {
        load(&self.mean).max(1.0)
    }

    fn sample(&self, now: Timestamp, cost: &Cost) {
        if self.pace.due(now, || SAMPLES) {
            let sample = cost.tokens as f64;
            let mean = load(&self.mean);
            let mean = if mean > 0.0 {
                mean + NEWEST * (sample - mean)
            } else {
                sample
            };
            store(&self.mean, mean);
        }
    }

    fn outstanding(&self, peer: Peer<'_, LeastCostState>) -> f32 {
        let known = peer.endpoint.measurements().outstanding().tokens as f64;
        let unknown = peer.state.unknown.load(Ordering::Relaxed) as f64;
        (known + unknown * self.mean()) as f32
    }

    #[inline]
    fn publish(&self, peer: Peer<'_, LeastCostState>) {
        let outstanding = self.outstanding(peer);
        peer.publish(outstanding);
        // Another core may have changed it and published before this one did.
        let now = self.outstanding(peer);
        if now.to_bits() != outstanding.to_bits() {
            peer.publish(now);
        }
    }
}

impl Strategy for LeastCost {
    type State = LeastCostState;

    fn join(&self, peer: Peer<'_, LeastCostState>, _now: Timestamp) {
        self.publish(peer);
    }

    #[inline(always)]
    fn begin(&self, peer: Peer<'_, LeastCostState>, begin: &Begin) {
        if begin.cost.tokens == 0 {
            peer.state.unknown.fetch_add(1, Ordering::Relaxed);
        } else {
            self.sample(begin.now, &begin.cost);
        }
        self.publish(peer);
    }

    #[inline(always)]
    fn end(&self, peer: Peer<'_, LeastCostState>, end: &End<'_>) {
        if end.cost.tokens == 0 {
            peer.state.unknown.fetch_sub(1, Ordering::Relaxed);
        }
        self.publish(peer);
    }

    fn inspect(&self, peer: Peer<'_, LeastCostState>, show: &mut dyn FnMut(&'static str, f64)) {
        show(
            "least_cost.outstanding_tokens",
            f64::from(self.outstanding(peer)),
        );
        show("least_cost.mean_tokens", self.mean());
    }
}

impl<Req> Pick<Req> for LeastCost {
    #[inline(always)]
    fn pick<V: View<LeastCostState>>(&self, view: &V, _request: &Req) -> Option<usize> {
        let own = match view.cost().tokens {
            0 => self.mean() as f32,
            tokens => tokens as f32,
        };
        let score = |_, seen: Glance| {
            // An idle member has nothing outstanding, whatever racing cores have published last.
            let outstanding = if seen.load == 0 { 0.0 } else { seen.rank };
            (outstanding + own) / seen.weight
        };
        if self.full_scan {
            scan_least(view, score)
        } else {
            sample_least(view, 2, score)
        }
    }
}
