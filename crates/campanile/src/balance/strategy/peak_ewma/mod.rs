use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Begin, End, LatencyState, Peer, Pick, Strategy, View,
    estimate::{Blend, Estimator},
    sample_least,
};
use crate::{
    config::Invalid,
    outcome::Outcome,
    time::{Timestamp, human},
};

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// The lower of two random members' peak latency times calls in flight, by weight.
///
/// The estimate follows a slower call at once and a faster one with the time that has passed, as in Finagle and tower.
/// Unlike there: reading it changes nothing, so it is no mere maximum; an idle endpoint's estimate fades towards the
/// pool's mean, not to nothing; a call that fails or is cancelled never makes it look fast; and one that is stuck looks
/// ever slower. Latency is that of the whole answer, and a streamed one counts as in flight to its end.
///
/// For compatibility: it takes the size of an answer for the slowness of its endpoint, so [`Ebw`](super::Ebw) does
/// better where sizes differ.
///
/// ```
/// use campanile::balance::{BalanceLayer, PeakEwma, PeakEwmaConfig};
/// use std::time::Duration;
///
/// let config = PeakEwmaConfig { decay: Duration::from_secs(30), ..PeakEwmaConfig::default() };
/// let layer = BalanceLayer::new(PeakEwma::new(config)?);
/// # let _ = layer;
/// # Ok::<(), campanile::config::Invalid>(())
/// ```
#[derive(Debug)]
pub struct PeakEwma {
    estimator: Estimator,
}

/// The constants of [`PeakEwma`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeakEwmaConfig {
    /// The time in which what is known loses all but 1/e of its weight. 10 s by default.
    #[serde(with = "human")]
    pub decay: Duration,
    /// What any endpoint's latency is taken for before a call has succeeded. 1 s by default.
    #[serde(with = "human")]
    pub default_rtt: Duration,
}

// ===== impl PeakEwma =====

impl PeakEwma {
    /// With constants of your own.
    ///
    /// # Errors
    ///
    /// When one is out of range.
    pub fn new(config: PeakEwmaConfig) -> Result<Self, Invalid> {
        Ok(Self::checked(config.build()?))
    }

    fn checked(config: PeakEwmaConfig) -> Self {
        let PeakEwmaConfig { decay, default_rtt } = config;
        Self {
            estimator: Estimator::new(Blend::Peak, decay.as_secs_f64(), default_rtt.as_secs_f64()),
        }
    }
}

impl Default for PeakEwma {
    fn default() -> Self {
        Self::checked(PeakEwmaConfig::default())
    }
}

impl Strategy for PeakEwma {
    type State = LatencyState;

    fn join(&self, peer: Peer<'_, LatencyState>, now: Timestamp) {
        self.estimator.join(peer, now);
    }

    #[inline(always)]
    fn begin(&self, peer: Peer<'_, LatencyState>, begin: &Begin) {
        self.estimator.begin(peer, begin.now);
    }

    #[inline(always)]
    fn end(&self, peer: Peer<'_, LatencyState>, end: &End<'_>) {
        let elapsed = end.elapsed().as_secs_f64();
        match end.outcome {
            Outcome::Success => self.estimator.done(peer, end.now, elapsed),
            Outcome::Cancelled => self.estimator.cancelled(peer, end.now, elapsed),
            Outcome::Ignored => self.estimator.ignored(peer, end.now),
            _ => self.estimator.failed(peer, end.now, elapsed),
        }
    }

    fn inspect(&self, peer: Peer<'_, LatencyState>, show: &mut dyn FnMut(&'static str, f64)) {
        self.estimator.inspect(peer, "peak_ewma.seconds", show);
    }
}

impl<Req> Pick<Req> for PeakEwma {
    #[inline(always)]
    fn pick<V: View<LatencyState>>(&self, view: &V, _request: &Req) -> Option<usize> {
        self.estimator.refresh(view);
        sample_least(view, 2, |_, seen| {
            self.estimator.rank(seen.rank) * (seen.load as f32 + 1.0) / seen.weight
        })
    }
}

// ===== impl PeakEwmaConfig =====

impl Default for PeakEwmaConfig {
    fn default() -> Self {
        Self {
            decay: Duration::from_secs(10),
            default_rtt: Duration::from_secs(1),
        }
    }
}

impl PeakEwmaConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        for (field, value) in [("decay", self.decay), ("default_rtt", self.default_rtt)] {
            Invalid::unless(
                !value.is_zero(),
                "peak_ewma",
                field,
                &value,
                "it must be above 0",
            )?;
        }
        Ok(self)
    }
}
