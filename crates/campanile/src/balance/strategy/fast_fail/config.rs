use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{config::Invalid, time::human};

/// When [`FastFail`](super::FastFail) ejects an endpoint, and for how long.
///
/// ```
/// use campanile::balance::FastFailConfig;
///
/// let config: FastFailConfig = serde_json::from_str(r#"{ "consecutive": 3, "window": "10s" }"#).unwrap();
/// assert!(config.build().is_ok());
///
/// let wrong = FastFailConfig { max_ejected: 1.5, ..FastFailConfig::default() };
/// assert_eq!(
///     wrong.build().unwrap_err().to_string(),
///     "fast_fail.max_ejected is 1.5: it must be from 0 to 1",
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FastFailConfig {
    /// How many fast failures in a row eject. 2 by default.
    pub consecutive_fast: u32,
    /// A failure is fast when it took less than this share of the mean call. 0.05 by default.
    pub fast_share: f64,
    /// How many failures in a row eject, fast or not. 5 by default.
    pub consecutive: u32,
    /// Over which time the share of successes is taken, in ten steps. 30 s by default.
    #[serde(with = "human")]
    pub window: Duration,
    /// How many calls must have ended in that time for their share of successes to mean anything. 8 by default.
    pub min_requests: u32,
    /// A lower share of successes in that time ejects. 0.6 by default.
    pub min_success_ratio: f64,
    /// How often the ejection, which begins at one mean call, doubles while trials fail. 6 times by default.
    pub max_doublings: u32,
    /// How much longer or shorter than that an ejection is, by chance. 0.25 by default.
    pub jitter: f64,
    /// The shortest ejection. 10 ms by default.
    #[serde(with = "human")]
    pub min_ejection: Duration,
    /// The longest ejection. 5 min by default.
    #[serde(with = "human")]
    pub max_ejection: Duration,
    /// What the mean call is taken for before any call of the pool has succeeded. 1 s by default.
    #[serde(with = "human")]
    pub assumed_mean_call: Duration,
    /// The largest share of the members that may be ejected at once, rounded down; further ones stay. 0.5 by default:
    /// one of two, none of one.
    pub max_ejected: f64,
    /// The longest time that an upstream's `Retry-After` is believed; 0 for not at all. 5 min by default.
    #[serde(with = "human")]
    pub max_retry_after: Duration,
    /// How much later than asked the endpoint is tried again at most, by chance. 0.1 of the time by default.
    pub retry_after_jitter: f64,
}

// ===== impl FastFailConfig =====

impl Default for FastFailConfig {
    fn default() -> Self {
        Self {
            consecutive_fast: 2,
            fast_share: 0.05,
            consecutive: 5,
            window: Duration::from_secs(30),
            min_requests: 8,
            min_success_ratio: 0.6,
            max_doublings: 6,
            jitter: 0.25,
            min_ejection: Duration::from_millis(10),
            max_ejection: Duration::from_secs(300),
            assumed_mean_call: Duration::from_secs(1),
            max_ejected: 0.5,
            max_retry_after: Duration::from_secs(300),
            retry_after_jitter: 0.1,
        }
    }
}

impl FastFailConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let unless = |kept, field, value: &dyn std::fmt::Debug, rule| {
            Invalid::unless(kept, "fast_fail", field, value, rule)
        };
        let share = |field, value: f64| {
            unless(
                (0.0..=1.0).contains(&value),
                field,
                &value,
                "it must be from 0 to 1",
            )
        };
        unless(
            self.consecutive_fast > 0,
            "consecutive_fast",
            &self.consecutive_fast,
            "it must be at least 1",
        )?;
        unless(
            self.consecutive > 0,
            "consecutive",
            &self.consecutive,
            "it must be at least 1",
        )?;
        unless(
            self.min_requests > 0,
            "min_requests",
            &self.min_requests,
            "it must be at least 1",
        )?;
        unless(
            self.window >= Duration::from_millis(10),
            "window",
            &self.window,
            "it must be at least 10ms",
        )?;
        unless(
            self.max_doublings <= 31,
            "max_doublings",
            &self.max_doublings,
            "it must be at most 31",
        )?;
        unless(
            !self.min_ejection.is_zero(),
            "min_ejection",
            &self.min_ejection,
            "it must be above 0",
        )?;
        unless(
            self.max_ejection >= self.min_ejection,
            "max_ejection",
            &self.max_ejection,
            "it must not be below min_ejection",
        )?;
        unless(
            !self.assumed_mean_call.is_zero(),
            "assumed_mean_call",
            &self.assumed_mean_call,
            "it must be above 0",
        )?;
        share("fast_share", self.fast_share)?;
        share("min_success_ratio", self.min_success_ratio)?;
        share("jitter", self.jitter)?;
        share("max_ejected", self.max_ejected)?;
        share("retry_after_jitter", self.retry_after_jitter)?;
        Ok(self)
    }
}
