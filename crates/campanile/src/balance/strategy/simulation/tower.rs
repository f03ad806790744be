use std::sync::Mutex;

use super::super::{End, Peer, Pick, Strategy, View};
use crate::time::Timestamp;

/// The rule of tower 0.5's `PeakEwma` under `p2c::Balance`, to compare with: the estimate jumps to a sample above it,
/// and decays by time towards the sample otherwise; reading it applies a sample of nothing; every call that ends is a
/// sample, however it ended. Estimates begin at 1 s and decay over 10 s.
#[derive(Debug)]
pub(super) struct TowerPeakEwma;

#[derive(Debug)]
pub(super) struct Estimate(Mutex<(f64, Option<Timestamp>)>);

const DECAY: f64 = 10.0;

// ===== impl TowerPeakEwma =====

impl Default for Estimate {
    fn default() -> Self {
        Self(Mutex::new((1.0, None)))
    }
}

impl Estimate {
    fn sample(&self, now: Timestamp, seconds: f64) -> f64 {
        let mut estimate = self.0.lock().unwrap();
        let (rtt, at) = *estimate;
        let since = at.map_or(0.0, |at| now.since(at).as_secs_f64());
        let rtt = if seconds > rtt {
            seconds
        } else {
            let keep = (-since / DECAY).exp();
            rtt * keep + seconds * (1.0 - keep)
        };
        *estimate = (rtt, Some(now));
        rtt
    }
}

impl Strategy for TowerPeakEwma {
    type State = Estimate;

    fn end(&self, peer: Peer<'_, Estimate>, end: &End<'_>) {
        peer.state.sample(end.now, end.elapsed().as_secs_f64());
    }
}

impl<Req> Pick<Req> for TowerPeakEwma {
    fn pick<V: View<Estimate>>(&self, view: &V, _request: &Req) -> Option<usize> {
        let (one, other) = view.random_pair(view.len());
        let cost = |index: usize| {
            let pending = f64::from(view.load(index).unwrap_or(u32::MAX));
            view.state(index).sample(view.now(), 0.0) * (pending + 1.0)
        };
        Some(if cost(one) <= cost(other) { one } else { other })
    }
}
