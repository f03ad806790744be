use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::seconds;

mod check;
#[cfg(test)]
mod tests;

/// When a member is ejected, and for how long.
///
/// Some names that other systems use are accepted too. Times are text, or a number of seconds.
///
/// ```
/// use campanile::health::OutlierConfig;
/// use std::time::Duration;
///
/// let text = r#"{ "consecutive_failures": 3, "base_ejection_time": "1m", "max_ejected": 0.2 }"#;
/// let config: OutlierConfig = serde_json::from_str(text).unwrap();
/// assert_eq!(config.eject_for, Duration::from_secs(60));
/// assert!(config.build().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OutlierConfig {
    /// Ejects, at once, after so many failures without a success between them; `None` for never. 5 by default.
    #[serde(alias = "consecutive_5xx")]
    pub consecutive_failures: Option<u32>,
    /// Ejects whose success rate is so many standard deviations of the members' rates below their mean, above 0; `None`
    /// for never. 1.9 by default, Envoy's.
    pub success_rate_deviations: Option<f64>,
    /// And at least so many standard errors of its own window below it, as the mean and its number of calls make them:
    /// `sqrt(mean * (1 - mean) / calls)`. In a pool whose members are all alike someone is always the worst, and the
    /// standard deviation alone would eject it for a single failed call. 3 by default, which is chance about once in 700
    /// looks; 0 for Envoy's rule as it is.
    pub success_rate_errors: f64,
    /// Ejects whose average latency, to the end of a call that went well, is beyond so many times the median of the
    /// members' averages, above 1; `None` for never, which is the default. The calls of an LLM differ in size by orders of
    /// magnitude, and one member may well get the long ones; strategies that look at latency move calls away from a slow
    /// member without giving it up. 3 is a start where calls are alike.
    pub latency_factor: Option<f64>,
    /// And so many standard deviations of the members' averages beyond their mean. 1.9 by default.
    pub latency_deviations: f64,
    /// Rates and latencies are compared among so many members at least, of those that have had enough calls. 5 by default,
    /// and never fewer than 3.
    #[serde(alias = "success_rate_minimum_hosts")]
    pub min_members: usize,
    /// A member takes part with so many calls in its window, for latency with so many that went well. 20 by default.
    #[serde(alias = "success_rate_request_volume")]
    pub min_calls: u32,
    /// The calls of how long a time are compared; it slides in steps of `interval`. 1 min by default. (Envoy compares
    /// those of one interval, which hold 100 calls of one member wherever calls are short, and never where they are not.)
    #[serde(with = "seconds")]
    pub window: Duration,
    /// How often rates and latencies are compared. 10 s by default.
    #[serde(with = "seconds")]
    pub interval: Duration,
    /// How long the first ejection lasts. The second in a row lasts twice as long, the third three times, and so on. 30 s
    /// by default.
    #[serde(alias = "base_ejection_time", with = "seconds")]
    pub eject_for: Duration,
    /// What that grows to, unless `eject_for` is above it. 5 min by default.
    #[serde(alias = "max_ejection_time", with = "seconds")]
    pub eject_at_most_for: Duration,
    /// A member that has served for so long without an ejection has one of them forgotten. 1 min by default: no shorter
    /// than the window, so that one which is ejected as soon as its window shows it again is ejected for longer.
    #[serde(with = "seconds")]
    pub forget_after: Duration,
    /// By what share at most an ejection is shortened at random, from 0 to 1, so that members that were ejected together do
    /// not return together. 0.1 by default.
    pub jitter: f64,
    /// What share of the members may be ejected at once, from 0 to 1: one member at least, however few there are; 0 for
    /// none. 0.1 by default.
    pub max_ejected: f64,
}

// ===== impl OutlierConfig =====

impl Default for OutlierConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: Some(5),
            success_rate_deviations: Some(1.9),
            success_rate_errors: 3.0,
            latency_factor: None,
            latency_deviations: 1.9,
            min_members: 5,
            min_calls: 20,
            window: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            eject_for: Duration::from_secs(30),
            eject_at_most_for: Duration::from_secs(300),
            forget_after: Duration::from_secs(60),
            jitter: 0.1,
            max_ejected: 0.1,
        }
    }
}

/// Setters, so that a configuration reads as a sentence.
macro_rules! with {
    ($($name:ident => $field:ident: $type:ty, $doc:literal;)*) => {$(
        #[doc = concat!($doc, " See [`", stringify!($field), "`](Self::", stringify!($field), ").")]
        #[must_use]
        pub const fn $name(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    )*};
}

impl OutlierConfig {
    with! {
        with_consecutive_failures => consecutive_failures: Option<u32>, "Sets how many failures in a row eject.";
        with_success_rate_deviations => success_rate_deviations: Option<f64>, "Sets how far below the mean a success rate ejects.";
        with_success_rate_errors => success_rate_errors: f64, "Sets how far beyond chance it must be.";
        with_latency_factor => latency_factor: Option<f64>, "Sets how far beyond the median a latency ejects.";
        with_latency_deviations => latency_deviations: f64, "Sets how far beyond the mean it must be.";
        with_min_members => min_members: usize, "Sets among how many members rates are compared.";
        with_min_calls => min_calls: u32, "Sets with how many calls a member takes part.";
        with_window => window: Duration, "Sets which calls are compared.";
        with_interval => interval: Duration, "Sets how often they are compared.";
        with_eject_for => eject_for: Duration, "Sets how long the first ejection lasts.";
        with_eject_at_most_for => eject_at_most_for: Duration, "Sets what that grows to.";
        with_forget_after => forget_after: Duration, "Sets when an ejection is forgotten.";
        with_jitter => jitter: f64, "Sets by what share ejections are shortened at random.";
        with_max_ejected => max_ejected: f64, "Sets what share may be ejected at once.";
    }

    /// How many members of so many may be ejected at once.
    pub(super) fn limit(&self, members: usize) -> usize {
        if self.max_ejected <= 0.0 {
            return 0;
        }
        // The least addition keeps 0.29 of 100 at 29.
        let share = (self.max_ejected * members as f64 + 1e-9).floor() as usize;
        share.max(1)
    }

    /// How long an ejection lasts that is the latest of so many, with `chance` from 0 to 1.
    pub(super) fn lasts(&self, count: u32, chance: f64) -> Duration {
        let longest = self.eject_at_most_for.max(self.eject_for);
        let grown = self.eject_for.saturating_mul(count.max(1)).min(longest);
        grown.mul_f64(1.0 - self.jitter * chance)
    }

    /// Into how many steps the window is cut.
    pub(super) fn steps(&self) -> usize {
        let steps = self
            .window
            .as_nanos()
            .div_ceil(self.interval.as_nanos().max(1));
        usize::try_from(steps)
            .unwrap_or(usize::MAX)
            .clamp(1, MOST_STEPS)
    }
}

/// How finely a window is cut at most.
const MOST_STEPS: usize = 60;
