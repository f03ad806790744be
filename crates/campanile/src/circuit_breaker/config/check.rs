use std::time::Duration;

use super::{CancelledPolicy, CircuitBreakerConfig, WindowKind};
use crate::config::Invalid;

impl CircuitBreakerConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range, its value and the rule.
    pub fn build(self) -> Result<Self, Invalid> {
        self.build_trips()?;
        self.build_times()?;
        unless(
            self.half_open_max_calls >= 1,
            "half_open_max_calls",
            &self.half_open_max_calls,
            "it must be at least 1",
        )?;
        unless(
            self.half_open_successes != Some(0),
            "half_open_successes",
            &self.half_open_successes,
            "it must be at least 1",
        )?;
        Ok(self)
    }

    fn build_trips(&self) -> Result<(), Invalid> {
        const SHARE: &str = "it must be above 0 and at most 1";
        unless(
            self.failure_threshold != Some(0),
            "failure_threshold",
            &self.failure_threshold,
            "it must be at least 1, or none",
        )?;
        for (field, rate) in [
            ("failure_rate", self.failure_rate),
            ("slow_rate", self.slow_rate),
        ] {
            unless(
                rate.is_none_or(|rate| rate > 0.0 && rate <= 1.0),
                field,
                &rate,
                SHARE,
            )?;
        }
        unless(
            self.failure_threshold.is_some()
                || self.failure_rate.is_some()
                || self.slow_rate.is_some(),
            "failure_threshold",
            &self.failure_threshold,
            "something must trip it: this, failure_rate or slow_rate",
        )?;
        unless(
            self.slow_call.is_none_or(|slow| !slow.is_zero()),
            "slow_call",
            &self.slow_call,
            "it must be above 0, or none",
        )?;
        unless(
            self.slow_rate.is_none() || self.slow_call.is_some(),
            "slow_call",
            &self.slow_call,
            "slow_rate needs it",
        )?;
        unless(
            self.cancelled != CancelledPolicy::Failure || self.slow_call.is_some(),
            "slow_call",
            &self.slow_call,
            "cancelled calls that count as failures need it",
        )?;
        unless(
            match self.window {
                WindowKind::Calls(calls) => (1..=100_000).contains(&calls),
                WindowKind::Time(time) => time >= Duration::from_millis(10),
            },
            "window",
            &self.window,
            "it must be of 1 to 100,000 calls, or of at least 10ms",
        )?;
        unless(
            self.min_calls >= 1,
            "min_calls",
            &self.min_calls,
            "it must be at least 1",
        )?;
        unless(
            !matches!(self.window, WindowKind::Calls(calls) if calls < self.min_calls)
                || (self.failure_rate.is_none() && self.slow_rate.is_none()),
            "min_calls",
            &self.min_calls,
            "it must not be above the window's number of calls",
        )?;
        unless(
            (0.0..=1.0).contains(&self.overload_weight),
            "overload_weight",
            &self.overload_weight,
            "it must be from 0 to 1",
        )
    }

    fn build_times(&self) -> Result<(), Invalid> {
        unless(
            !self.open_for.is_zero(),
            "open_for",
            &self.open_for,
            "it must be above 0",
        )?;
        unless(
            self.open_factor >= 1.0 && self.open_factor.is_finite(),
            "open_factor",
            &self.open_factor,
            "it must be at least 1",
        )?;
        unless(
            !self.half_open_lease.is_zero(),
            "half_open_lease",
            &self.half_open_lease,
            "it must be above 0",
        )
    }
}

fn unless(
    kept: bool,
    field: &'static str,
    value: &dyn std::fmt::Debug,
    rule: &'static str,
) -> Result<(), Invalid> {
    Invalid::unless(kept, "circuit_breaker", field, value, rule)
}
