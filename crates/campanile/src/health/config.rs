use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::PanicThreshold;
use crate::{
    config::{Invalid, seconds},
    endpoint::Reason,
};

#[cfg(test)]
mod tests;

/// How often endpoints are checked, and what it takes to be taken out and to come back.
///
/// ```
/// use campanile::health::{HealthConfig, Start};
/// use std::time::Duration;
///
/// let text = r#"{ "interval": "15s", "unhealthy_after": 2, "start": "closed" }"#;
/// let config: HealthConfig = serde_json::from_str(text).unwrap();
/// assert_eq!(config.timeout, Duration::from_secs(10));
/// assert_eq!(config.start, Start::Closed);
/// assert!(config.build().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HealthConfig {
    /// From the begin of one check of an endpoint to the begin of its next. 60 s by default. The next waits for the end of
    /// the one before.
    #[serde(with = "seconds")]
    pub interval: Duration,
    /// A check that takes longer has failed. 10 s by default.
    #[serde(with = "seconds")]
    pub timeout: Duration,
    /// After so many failed checks in a row an endpoint is unhealthy. 3 by default.
    pub unhealthy_after: u32,
    /// Takes the place of `interval` while an endpoint is unhealthy. 300 s by default.
    #[serde(with = "seconds")]
    pub unhealthy_interval: Duration,
    /// After so many good checks in a row an unhealthy endpoint is healthy again. 1 by default. An endpoint of which
    /// nothing bad is known yet needs one.
    pub healthy_after: u32,
    /// By what share each interval is shorter or longer, at random, so that checks do not align: from 0 to 1, 0.2 by
    /// default. Unless it is 0, the second check of an endpoint comes at a random time within its first interval, so that
    /// endpoints that joined together part at once.
    pub jitter: f64,
    /// How many checks run at once. 16 by default. Others wait in the order in which they are due, those of unhealthy
    /// endpoints among them. A check that holds its thread up beyond its time keeps its place until it lets go.
    ///
    /// All endpoints need `endpoints * time of a check / interval` at once: 10,000 of them, checked every minute in 50 ms
    /// each, need nine. With fewer places everybody has a turn in every `endpoints * time of a check / max_concurrent`,
    /// whatever the intervals say: if each of 10,000 checks takes 10 s, that is an hour and three quarters with 16 places,
    /// and needs 1,700 to be a minute. [`HealthSnapshot::overdue`](super::HealthSnapshot::overdue) shows it.
    pub max_concurrent: usize,
    /// Whether an endpoint takes calls before it has been checked. It does by default.
    pub start: Start,
    /// A probe that [costs money](super::Probe::is_paid) runs only where this is set, and begins no more checks an hour than
    /// this, of all endpoints together, nor more than a quarter of it (rounded up) in a quarter of an hour. A check for
    /// which nothing is left waits its turn. It means nothing to other probes.
    pub paid_per_hour: Option<u32>,
    /// Below what share of healthy endpoints all are used. Half by default.
    pub panic_threshold: PanicThreshold,
    /// Where the random numbers start, for runs that can be repeated.
    pub seed: Option<u64>,
}

/// Whether an endpoint takes calls before it has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// It does, until it is unhealthy.
    #[default]
    Open,
    /// It does not, until a check has found it healthy. A probe that never can tell never lets it in.
    Closed,
}

// ===== impl HealthConfig =====

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            unhealthy_after: 3,
            unhealthy_interval: Duration::from_secs(300),
            healthy_after: 1,
            jitter: 0.2,
            max_concurrent: 16,
            start: Start::Open,
            paid_per_hour: None,
            panic_threshold: PanicThreshold::default(),
            seed: None,
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

impl HealthConfig {
    with! {
        with_interval => interval: Duration, "Sets how often an endpoint is checked.";
        with_timeout => timeout: Duration, "Sets how long a check may take.";
        with_unhealthy_after => unhealthy_after: u32, "Sets how many failures take an endpoint out.";
        with_unhealthy_interval => unhealthy_interval: Duration, "Sets how often an unhealthy endpoint is checked.";
        with_healthy_after => healthy_after: u32, "Sets how many successes bring it back.";
        with_jitter => jitter: f64, "Sets by what share intervals vary.";
        with_max_concurrent => max_concurrent: usize, "Sets how many checks run at once.";
        with_start => start: Start, "Sets whether endpoints take calls before they have been checked.";
        with_paid_per_hour => paid_per_hour: Option<u32>, "Allows a probe that costs money, so many times an hour.";
        with_panic_threshold => panic_threshold: PanicThreshold, "Sets when all endpoints are used.";
        with_seed => seed: Option<u64>, "Sets where the random numbers start.";
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range, its value and the rule.
    pub fn build(self) -> Result<Self, Invalid> {
        for (field, time) in [
            ("interval", self.interval),
            ("timeout", self.timeout),
            ("unhealthy_interval", self.unhealthy_interval),
        ] {
            let kept = time >= Duration::from_millis(1);
            unless(kept, field, &time, "it must be at least 1ms")?;
        }
        for (field, times) in [
            ("unhealthy_after", self.unhealthy_after),
            ("healthy_after", self.healthy_after),
        ] {
            unless(times >= 1, field, &times, "it must be at least 1")?;
        }
        unless(
            (0.0..=1.0).contains(&self.jitter),
            "jitter",
            &self.jitter,
            "it must be from 0 to 1",
        )?;
        unless(
            self.max_concurrent >= 1,
            "max_concurrent",
            &self.max_concurrent,
            "it must be at least 1",
        )?;
        unless(
            self.paid_per_hour != Some(0),
            "paid_per_hour",
            &self.paid_per_hour,
            "it must be at least 1, or none",
        )?;
        unless(
            (0.0..=1.0).contains(&self.panic_threshold.0),
            "panic_threshold",
            &self.panic_threshold.0,
            "it must be from 0 to 1",
        )?;
        Ok(self)
    }

    /// [`build`](Self::build) for a probe that costs money or not.
    pub(super) fn build_for(self, paid: bool) -> Result<Self, Invalid> {
        unless(
            !paid || self.paid_per_hour.is_some(),
            "paid_per_hour",
            &self.paid_per_hour,
            "a probe that costs money needs a cap",
        )?;
        self.build()
    }

    /// What a new member is shut for.
    pub(super) fn shut(&self) -> Option<Reason> {
        (self.start == Start::Closed).then_some(Reason::Health)
    }
}

fn unless(
    kept: bool,
    field: &'static str,
    value: &dyn std::fmt::Debug,
    rule: &'static str,
) -> Result<(), Invalid> {
    Invalid::unless(kept, "health", field, value, rule)
}
