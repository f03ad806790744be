use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Begin, End, Glance, LatencyState, Peer, Pick, Strategy, View,
    estimate::{Blend, Estimator},
    sample_least, scan_least,
};
use crate::{
    config::Invalid,
    outcome::Outcome,
    time::{Timestamp, human},
};

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// The lowest average latency times calls in flight, by weight: of all members, or of two random ones.
///
/// Which latency is a choice ([`Timing`]). An endpoint of which nothing is known counts as the pool's mean, and what is
/// known of an idle one fades towards it, so those that looked slow are tried again. Calls that fail or are cancelled
/// never make an endpoint look fast. Calls in flight are counted, since the fastest of all would get everything until it
/// is the slowest.
///
/// ```
/// use campanile::balance::{BalanceLayer, Fastest, FastestConfig, Timing};
///
/// let config = FastestConfig { by: Timing::FirstData, ..FastestConfig::default() };
/// let layer = BalanceLayer::new(Fastest::new(config)?);
/// # let _ = layer;
/// # Ok::<(), campanile::config::Invalid>(())
/// ```
#[derive(Debug)]
pub struct Fastest {
    config: FastestConfig,
    estimator: Estimator,
}

/// How [`Fastest`] measures and compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FastestConfig {
    /// Which latency. That of the whole answer by default.
    pub by: Timing,
    /// Whether all members are compared, not two random ones. On by default; meant for pools of up to some hundreds.
    pub full_scan: bool,
    /// The idle time in which what is known loses all but 1/e of its weight. 10 s by default.
    #[serde(with = "human")]
    pub fade: Duration,
    /// What any endpoint's latency is taken for before a call has succeeded. 1 s by default.
    #[serde(with = "human")]
    pub initial: Duration,
}

/// A latency of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Timing {
    /// To the response head.
    Head,
    /// To the first piece of the body or stream; to the head where there is no such piece.
    FirstData,
    /// To the end of the body or stream.
    #[default]
    Total,
}

// ===== impl Fastest =====

impl Fastest {
    /// With settings of your own.
    ///
    /// # Errors
    ///
    /// When one is out of range.
    pub fn new(config: FastestConfig) -> Result<Self, Invalid> {
        Ok(Self::checked(config.build()?))
    }

    fn checked(config: FastestConfig) -> Self {
        Self {
            estimator: Estimator::new(
                Blend::Average,
                config.fade.as_secs_f64(),
                config.initial.as_secs_f64(),
            ),
            config,
        }
    }
}

impl Default for Fastest {
    fn default() -> Self {
        Self::checked(FastestConfig::default())
    }
}

impl Strategy for Fastest {
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
        let reached = self.config.by.reached(end);
        let elapsed = reached.unwrap_or(end.now).since(end.started).as_secs_f64();
        match end.outcome {
            Outcome::Success => self.estimator.done(peer, end.now, elapsed),
            // Given up after what is measured: that took so long at least, and might have been cut short by chance.
            Outcome::Cancelled if reached.is_some() => {
                self.estimator.ignored(peer, end.now);
                self.estimator.raise(peer, elapsed);
            }
            Outcome::Cancelled => self.estimator.cancelled(peer, end.now, elapsed),
            Outcome::Ignored => self.estimator.ignored(peer, end.now),
            _ => self.estimator.failed(peer, end.now, elapsed),
        }
    }

    fn inspect(&self, peer: Peer<'_, LatencyState>, show: &mut dyn FnMut(&'static str, f64)) {
        self.estimator.inspect(peer, "fastest.seconds", show);
    }
}

impl<Req> Pick<Req> for Fastest {
    #[inline(always)]
    fn pick<V: View<LatencyState>>(&self, view: &V, _request: &Req) -> Option<usize> {
        self.estimator.refresh(view);
        let score = |_, seen: Glance| {
            self.estimator.rank(seen.rank) * (seen.load as f32 + 1.0) / seen.weight
        };
        if self.config.full_scan {
            scan_least(view, score)
        } else {
            sample_least(view, 2, score)
        }
    }
}

// ===== impl Timing =====

impl Timing {
    /// When what is measured was there; `None` when it never was.
    fn reached(self, end: &End<'_>) -> Option<Timestamp> {
        let whole = end.outcome.is_success().then_some(end.now);
        match self {
            Self::Head => end.head.or(whole),
            Self::FirstData if end.outcome.is_success() => end.first_data.or(end.head).or(whole),
            Self::FirstData => end.first_data,
            Self::Total => whole,
        }
    }
}

// ===== impl FastestConfig =====

impl Default for FastestConfig {
    fn default() -> Self {
        Self {
            by: Timing::default(),
            full_scan: true,
            fade: Duration::from_secs(10),
            initial: Duration::from_secs(1),
        }
    }
}

impl FastestConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        for (field, value) in [("fade", self.fade), ("initial", self.initial)] {
            Invalid::unless(
                !value.is_zero(),
                "fastest",
                field,
                &value,
                "it must be above 0",
            )?;
        }
        Ok(self)
    }
}
