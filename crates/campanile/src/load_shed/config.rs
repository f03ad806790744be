use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{config::Invalid, context::Priority, time::human};

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// When load is shed, and what its callers are told.
///
/// ```
/// use campanile::load_shed::LoadShedConfig;
///
/// let config: LoadShedConfig =
///     serde_json::from_str(r#"{ "retry_after": "3s", "thresholds": { "batch": 0.8 } }"#).unwrap();
/// assert_eq!(config.build().unwrap().thresholds.batch, Some(0.8));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LoadShedConfig {
    /// When refused callers are asked to come back, where nothing better is known. 1 s by default.
    #[serde(with = "human")]
    pub retry_after: Duration,
    /// From which utilisation on calls are shed, by their priority. Of no effect without a
    /// [signal](super::LoadShedLayer::signal).
    pub thresholds: Thresholds,
    /// Whether an instance that was not ready is kept and polled on, as services need that get ready by being polled one
    /// by one: those that connect, say. It holds what its readiness reserves, a permit or a place in a queue, also while it
    /// idles, and others are refused meanwhile. False by default: it is replaced by a clone, and holds nothing.
    pub keep_instances: bool,
}

/// From which utilisation on calls of a priority are shed; `None` is never. What matters more is not shed earlier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Thresholds {
    /// For [`Priority::Critical`]. `None` by default.
    pub critical: Option<f64>,
    /// For [`Priority::Normal`]. `None` by default.
    pub normal: Option<f64>,
    /// For [`Priority::Batch`]. 0.9 by default.
    pub batch: Option<f64>,
    /// For [`Priority::Sheddable`]. 0.75 by default.
    pub sheddable: Option<f64>,
}

// ===== impl LoadShedConfig =====

impl Default for LoadShedConfig {
    fn default() -> Self {
        Self {
            retry_after: Duration::from_secs(1),
            thresholds: Thresholds::default(),
            keep_instances: false,
        }
    }
}

impl LoadShedConfig {
    /// Sets when refused callers are asked to come back.
    #[must_use]
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = after;
        self
    }

    /// Sets from which utilisation on calls are shed.
    #[must_use]
    pub const fn with_thresholds(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// Sets whether an instance that was not ready is kept.
    #[must_use]
    pub const fn with_keep_instances(mut self, keeps: bool) -> Self {
        self.keep_instances = keeps;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first threshold that is not above 0, or is above that of a priority which matters more.
    pub fn build(self) -> Result<Self, Invalid> {
        let Thresholds {
            critical,
            normal,
            batch,
            sheddable,
        } = self.thresholds;
        let mut most = f64::INFINITY;
        for (field, threshold) in [
            ("thresholds.critical", critical),
            ("thresholds.normal", normal),
            ("thresholds.batch", batch),
            ("thresholds.sheddable", sheddable),
        ] {
            if let Some(value) = threshold {
                let rule = "it must be a number above 0";
                let number = value.is_finite() && value > 0.0;
                Invalid::unless(number, "load_shed", field, &value, rule)?;
            }
            let rule = "it must not be above that of a priority which matters more";
            let value = threshold.unwrap_or(f64::INFINITY);
            Invalid::unless(value <= most, "load_shed", field, &threshold, rule)?;
            most = value;
        }
        Ok(self)
    }
}

// ===== impl Thresholds =====

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            critical: None,
            normal: None,
            batch: Some(0.9),
            sheddable: Some(0.75),
        }
    }
}

impl Thresholds {
    /// Sets it for critical calls.
    #[must_use]
    pub const fn with_critical(mut self, threshold: Option<f64>) -> Self {
        self.critical = threshold;
        self
    }

    /// Sets it for normal calls.
    #[must_use]
    pub const fn with_normal(mut self, threshold: Option<f64>) -> Self {
        self.normal = threshold;
        self
    }

    /// Sets it for calls that nobody waits for.
    #[must_use]
    pub const fn with_batch(mut self, threshold: Option<f64>) -> Self {
        self.batch = threshold;
        self
    }

    /// Sets it for calls that may be dropped at any time.
    #[must_use]
    pub const fn with_sheddable(mut self, threshold: Option<f64>) -> Self {
        self.sheddable = threshold;
        self
    }

    /// The threshold of a priority.
    #[inline]
    #[must_use]
    pub const fn of(&self, priority: Priority) -> Option<f64> {
        match priority {
            Priority::Critical => self.critical,
            Priority::Normal => self.normal,
            Priority::Batch => self.batch,
            Priority::Sheddable => self.sheddable,
        }
    }
}
