use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Algorithm, Sample, Verdict,
    window::{Check, RoundTrips, held},
};
use crate::config::{Invalid, seconds};

/// Additive increase, multiplicative decrease: one more each round trip while the limit is used, a part less when calls
/// are dropped.
///
/// After `AIMDLimit` of Netflix concurrency-limits, with three changes: the increase is one each round trip and not one
/// each call; the decrease is at most one each round trip; and slowness is no drop unless asked for, since every long
/// call of a language model would be one. It needs a processor that says when it has enough (429, overload), or
/// time-outs: one that only gets slower is driven up to its time-outs.
#[derive(Debug, Clone)]
pub struct Aimd {
    config: AimdConfig,
    limit: f64,
    round_trips: RoundTrips,
}

/// The settings of [`Aimd`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AimdConfig {
    /// The limit at the start. 20 by default.
    pub initial: f64,
    /// What a round trip adds. 1 by default.
    pub increase: f64,
    /// What a drop multiplies the limit by. 0.7 by default.
    pub decrease: f64,
    /// The part of calls that may be dropped without lowering the limit, beside what comes by chance. 0 by default: every drop counts.
    pub drop_tolerance: f64,
    /// How much of the limit must be in use for it to rise. 0.5 by default.
    pub utilisation: f64,
    /// A latency over which a call counts as dropped. None by default.
    #[serde(with = "seconds::optional", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Duration>"))]
    pub slow: Option<Duration>,
}

// ===== impl AimdConfig =====

impl Default for AimdConfig {
    fn default() -> Self {
        Self {
            initial: 20.0,
            increase: 1.0,
            decrease: 0.7,
            drop_tolerance: 0.0,
            utilisation: 0.5,
            slow: None,
        }
    }
}

impl AimdConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let check = Check("aimd");
        check.at_least_1("initial", self.initial)?;
        check.above_0("increase", self.increase)?;
        check.between_0_and_1("decrease", self.decrease)?;
        check.not_below_0("drop_tolerance", self.drop_tolerance)?;
        check.between_0_and_1("utilisation", self.utilisation)?;
        if let Some(slow) = self.slow {
            Invalid::unless(!slow.is_zero(), "aimd", "slow", &slow, "it must be above 0")?;
        }
        Ok(self)
    }
}

// ===== impl Aimd =====

impl Aimd {
    /// A limit that starts as `config` says.
    #[must_use]
    pub fn new(config: AimdConfig) -> Self {
        Self {
            limit: config.initial,
            config,
            round_trips: RoundTrips::default(),
        }
    }
}

impl Algorithm for Aimd {
    fn limit(&self) -> f64 {
        self.limit
    }

    fn samples(&self) -> bool {
        true
    }

    fn sample(&mut self, sample: &Sample) {
        let slow = match (sample.latency, self.config.slow) {
            (Some(latency), Some(slow)) => latency > slow,
            _ => false,
        };
        let limit = held(self.limit, self.limit, sample.limit);
        match sample.verdict {
            Verdict::Ignored => {}
            Verdict::Done if !slow => {
                self.round_trips.learn(sample);
                let used = f64::from(sample.in_flight) >= self.config.utilisation * limit;
                // A round trip is as many calls as the limit allows at once.
                self.limit = if used {
                    limit + self.config.increase / limit
                } else {
                    limit
                };
            }
            Verdict::Done | Verdict::Dropped => {
                if self.round_trips.cut(sample, self.config.drop_tolerance) {
                    self.limit = (limit * self.config.decrease).max(1.0);
                }
            }
        }
    }
}
