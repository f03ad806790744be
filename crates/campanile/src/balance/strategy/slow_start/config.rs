use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{config::Invalid, time::human};

/// How [`SlowStart`](super::SlowStart) ramps.
///
/// ```
/// use campanile::balance::SlowStartConfig;
///
/// let config: SlowStartConfig = serde_json::from_str(r#"{ "window": "10s" }"#).unwrap();
/// assert_eq!(config.initial, 0.1);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SlowStartConfig {
    /// How long it takes a member to get its whole weight. 30 s by default.
    #[serde(with = "human")]
    pub window: Duration,
    /// What share of its weight it begins with, above 0. 0.1 by default.
    pub initial: f64,
}

// ===== impl SlowStartConfig =====

impl Default for SlowStartConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30),
            initial: 0.1,
        }
    }
}

impl SlowStartConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let unless = |kept, field, value: &dyn std::fmt::Debug, rule| {
            Invalid::unless(kept, "slow_start", field, value, rule)
        };
        unless(
            !self.window.is_zero(),
            "window",
            &self.window,
            "it must be above 0",
        )?;
        unless(
            self.initial > 0.0 && self.initial <= 1.0,
            "initial",
            &self.initial,
            "it must be above 0 and at most 1",
        )?;
        Ok(self)
    }
}
