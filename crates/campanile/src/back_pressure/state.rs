//! The rule: the counts of a window go in, a verdict comes out.

use serde::{Deserialize, Serialize};

use super::BackPressureConfig;

/// The calls of one window. Cancelled and ignored ones are none of them.
///
/// Latencies are compared with two bounds only, so they are counted and not kept: a quantile lies above a bound if enough
/// calls do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// All calls.
    pub calls: u64,
    /// Those that failed or were refused.
    pub errors: u64,
    /// Successful calls that took longer than `high_latency`.
    pub slow: u64,
    /// Successful calls that took `low_latency` or longer, the slow ones included.
    pub not_fast: u64,
}

/// What a window means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Capacity and rate go down: too many errors.
    ShrinkForErrors,
    /// Capacity and rate go down: too slow.
    ShrinkForLatency,
    /// Capacity and rate go up.
    Grow,
    /// They stay: neither bad enough nor good enough.
    Hold,
    /// They stay: fewer than `minimum_calls`.
    TooFew,
    /// They stay: the rule is [paused](super::BackPressureHandle::pause).
    Paused,
}

// ===== impl Counts =====

impl Counts {
    /// The share of calls that were errors; 0 without calls.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        if self.calls == 0 {
            return 0.0;
        }
        self.errors as f64 / self.calls as f64
    }

    /// Calls that succeeded.
    #[must_use]
    pub const fn successes(&self) -> u64 {
        self.calls.saturating_sub(self.errors)
    }

    /// The place of the quantile among the successful calls, by nearest rank: from 1, the fastest, up.
    fn rank(&self, quantile: f64) -> u64 {
        let successes = self.successes();
        let rank = (quantile * successes as f64).ceil() as u64;
        rank.clamp(1, successes.max(1))
    }

    /// Whether the call of that place took longer than `high_latency`.
    fn is_slow(&self, quantile: f64) -> bool {
        let slow = self.slow.min(self.successes());
        self.successes() > 0 && self.successes() - slow < self.rank(quantile)
    }

    /// Whether the call of that place took less than `low_latency`.
    fn is_fast(&self, quantile: f64) -> bool {
        let not_fast = self.not_fast.min(self.successes());
        self.successes() > 0 && self.successes() - not_fast >= self.rank(quantile)
    }

    /// Judges the window.
    #[must_use]
    pub(super) fn judge(&self, config: &BackPressureConfig) -> Verdict {
        let rate = self.error_rate();
        if self.calls < config.minimum_calls {
            Verdict::TooFew
        } else if rate > config.high_error_rate {
            Verdict::ShrinkForErrors
        } else if self.is_slow(config.quantile) {
            Verdict::ShrinkForLatency
        } else if rate < config.low_error_rate && self.is_fast(config.quantile) {
            Verdict::Grow
        } else {
            Verdict::Hold
        }
    }
}

// ===== impl Verdict =====

impl Verdict {
    /// What capacities and rates are multiplied by; `None` if they stay.
    pub(super) fn factors(self, config: &BackPressureConfig) -> Option<(f64, f64)> {
        match self {
            Self::ShrinkForErrors | Self::ShrinkForLatency => {
                Some((1.0 - config.capacity_cut, 1.0 - config.rate_cut))
            }
            Self::Grow => Some((1.0 + config.capacity_growth, 1.0 + config.rate_growth)),
            Self::Hold | Self::TooFew | Self::Paused => None,
        }
    }
}
