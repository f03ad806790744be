use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Invalid, seconds};

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// When the rule acts, and how much. Durations are text (`30s`) or a number of seconds.
///
/// ```
/// use campanile::back_pressure::BackPressureConfig;
///
/// let config: BackPressureConfig =
///     serde_json::from_str(r#"{ "window": "30s", "high_latency": 20, "capacity_cut": 0.5 }"#).unwrap();
/// assert_eq!(config.clone().build().unwrap(), config);
///
/// let error = BackPressureConfig::default().with_quantile(50.0).build().unwrap_err();
/// assert_eq!(error.to_string(), "back_pressure.quantile is 50.0: it must be above 0 and at most 1");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BackPressureConfig {
    /// How long calls are gathered before they are judged; an hour at most. 10 s by default.
    #[serde(with = "seconds")]
    pub window: Duration,
    /// A window with fewer calls decides nothing. 10 by default.
    pub minimum_calls: u64,
    /// What of a call its latency is. The whole of it by default, to the end of its body or stream.
    pub signal: Signal,
    /// Which quantile of the latencies of successful calls is compared, above 0 to 1. 0.5 by default, the median.
    pub quantile: f64,
    /// More errors than this share shrink. 0.2 by default; 1 for never.
    pub high_error_rate: f64,
    /// A latency above this shrinks. 30 s by default.
    #[serde(with = "seconds")]
    pub high_latency: Duration,
    /// Fewer errors than this share, and a latency below `low_latency`, grow. 0.05 by default; 0 for never.
    pub low_error_rate: f64,
    /// A latency below this, and fewer errors than `low_error_rate`, grow. 5 s by default.
    #[serde(with = "seconds")]
    pub low_latency: Duration,
    /// The share of each capacity that is taken away. 0.25 by default; 0 for nothing.
    pub capacity_cut: f64,
    /// The share of each rate that is taken away. 0.5 by default.
    pub rate_cut: f64,
    /// The share of each capacity that is added. 0.33 by default.
    pub capacity_growth: f64,
    /// The share of each rate that is added. 0.25 by default.
    pub rate_growth: f64,
    /// Whether calls that the service refused, as throttled or overloaded, are errors. Yes by default. Refusals of other
    /// layers of this stack never are.
    pub count_refusals: bool,
}

/// What of a call its latency is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Signal {
    /// To the response head.
    Head,
    /// To the first piece of the body or stream; to the head where nothing comes in pieces.
    FirstData,
    /// To the end of the body or stream.
    #[default]
    Total,
}

// ===== impl BackPressureConfig =====

impl Default for BackPressureConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            minimum_calls: 10,
            signal: Signal::Total,
            quantile: 0.5,
            high_error_rate: 0.2,
            high_latency: Duration::from_secs(30),
            low_error_rate: 0.05,
            low_latency: Duration::from_secs(5),
            capacity_cut: 0.25,
            rate_cut: 0.5,
            capacity_growth: 0.33,
            rate_growth: 0.25,
            count_refusals: true,
        }
    }
}

impl BackPressureConfig {
    /// How long calls are gathered before they are judged.
    #[must_use]
    pub const fn with_window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// A window with fewer calls decides nothing.
    #[must_use]
    pub const fn with_minimum_calls(mut self, calls: u64) -> Self {
        self.minimum_calls = calls;
        self
    }

    /// What of a call its latency is.
    #[must_use]
    pub const fn with_signal(mut self, signal: Signal) -> Self {
        self.signal = signal;
        self
    }

    /// Which quantile of the latencies is compared.
    #[must_use]
    pub const fn with_quantile(mut self, quantile: f64) -> Self {
        self.quantile = quantile;
        self
    }

    /// The share of errors below which it grows, and that above which it shrinks.
    #[must_use]
    pub const fn with_error_rates(mut self, low: f64, high: f64) -> Self {
        self.low_error_rate = low;
        self.high_error_rate = high;
        self
    }

    /// The latency below which it grows, and that above which it shrinks.
    #[must_use]
    pub const fn with_latencies(mut self, low: Duration, high: Duration) -> Self {
        self.low_latency = low;
        self.high_latency = high;
        self
    }

    /// The shares of capacity and rate that are taken away.
    #[must_use]
    pub const fn with_cuts(mut self, capacity: f64, rate: f64) -> Self {
        self.capacity_cut = capacity;
        self.rate_cut = rate;
        self
    }

    /// The shares of capacity and rate that are added.
    #[must_use]
    pub const fn with_growth(mut self, capacity: f64, rate: f64) -> Self {
        self.capacity_growth = capacity;
        self.rate_growth = rate;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let unless = |kept, field, value: &dyn std::fmt::Debug, rule| {
            Invalid::unless(kept, "back_pressure", field, value, rule)
        };
        unless(
            !self.window.is_zero() && self.window <= Duration::from_secs(3600),
            "window",
            &self.window,
            "it must be above 0 and at most 1h",
        )?;
        unless(
            self.minimum_calls > 0,
            "minimum_calls",
            &self.minimum_calls,
            "it must be at least 1",
        )?;
        unless(
            self.quantile > 0.0 && self.quantile <= 1.0,
            "quantile",
            &self.quantile,
            "it must be above 0 and at most 1",
        )?;
        unless(
            (0.0..=1.0).contains(&self.high_error_rate),
            "high_error_rate",
            &self.high_error_rate,
            "it must be from 0 to 1",
        )?;
        unless(
            (0.0..=self.high_error_rate).contains(&self.low_error_rate),
            "low_error_rate",
            &self.low_error_rate,
            "it must be from 0 to high_error_rate",
        )?;
        unless(
            self.low_latency <= self.high_latency,
            "low_latency",
            &self.low_latency,
            "it must not be above high_latency",
        )?;
        for (field, cut) in [
            ("capacity_cut", self.capacity_cut),
            ("rate_cut", self.rate_cut),
        ] {
            let kept = (0.0..1.0).contains(&cut);
            unless(kept, field, &cut, "it must be from 0 to below 1")?;
        }
        for (field, growth) in [
            ("capacity_growth", self.capacity_growth),
            ("rate_growth", self.rate_growth),
        ] {
            let kept = growth.is_finite() && growth >= 0.0;
            unless(kept, field, &growth, "it must not be below 0")?;
        }
        Ok(self)
    }
}
