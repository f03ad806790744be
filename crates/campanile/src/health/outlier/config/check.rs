use std::time::Duration;

use super::{MOST_STEPS, OutlierConfig};
use crate::config::Invalid;

impl OutlierConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range, its value and the rule.
    pub fn build(self) -> Result<Self, Invalid> {
        self.build_rules()?;
        self.build_times()?;
        for (field, share) in [("jitter", self.jitter), ("max_ejected", self.max_ejected)] {
            unless(
                (0.0..=1.0).contains(&share),
                field,
                &share,
                "it must be from 0 to 1",
            )?;
        }
        Ok(self)
    }

    fn build_rules(&self) -> Result<(), Invalid> {
        unless(
            self.consecutive_failures != Some(0),
            "consecutive_failures",
            &self.consecutive_failures,
            "it must be at least 1, or none",
        )?;
        unless(
            self.success_rate_deviations
                .is_none_or(|factor| factor > 0.0 && factor.is_finite()),
            "success_rate_deviations",
            &self.success_rate_deviations,
            "it must be above 0, or none",
        )?;
        unless(
            self.latency_factor
                .is_none_or(|factor| factor > 1.0 && factor.is_finite()),
            "latency_factor",
            &self.latency_factor,
            "it must be above 1, or none",
        )?;
        for (field, value) in [
            ("success_rate_errors", self.success_rate_errors),
            ("latency_deviations", self.latency_deviations),
        ] {
            unless(
                value >= 0.0 && value.is_finite(),
                field,
                &value,
                "it must be at least 0",
            )?;
        }
        unless(
            self.min_members >= 3,
            "min_members",
            &self.min_members,
            "it must be at least 3",
        )?;
        unless(
            self.min_calls >= 1,
            "min_calls",
            &self.min_calls,
            "it must be at least 1",
        )
    }

    fn build_times(&self) -> Result<(), Invalid> {
        unless(
            self.interval >= Duration::from_millis(10),
            "interval",
            &self.interval,
            "it must be at least 10ms",
        )?;
        unless(
            self.window >= self.interval
                && self.window.as_nanos() <= self.interval.as_nanos() * MOST_STEPS as u128,
            "window",
            &self.window,
            "it must be from 1 to 60 times the interval",
        )?;
        for (field, time) in [
            ("eject_for", self.eject_for),
            ("forget_after", self.forget_after),
        ] {
            unless(!time.is_zero(), field, &time, "it must be above 0")?;
        }
        Ok(())
    }
}

fn unless(
    kept: bool,
    field: &'static str,
    value: &dyn std::fmt::Debug,
    rule: &'static str,
) -> Result<(), Invalid> {
    Invalid::unless(kept, "outlier", field, value, rule)
}
