use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{config::Invalid, time::human};

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// How a pool waits.
///
/// ```
/// use campanile::balance::BalanceConfig;
///
/// let config: BalanceConfig = serde_json::from_str(r#"{ "patience": "250ms" }"#).unwrap();
/// assert_eq!(config.patience.as_millis(), 250);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BalanceConfig {
    /// How long a call waits for a member to become ready before it is refused; a deadline of its own may end the wait
    /// earlier. A call that cannot be served in that time, because every gate is known to open later, is refused at
    /// once. 1 s by default.
    #[serde(with = "human")]
    pub patience: Duration,
    /// How long an endpoint is left alone after its `poll_ready` failed; doubles with each failure in a row. 100 ms by
    /// default.
    #[serde(with = "human")]
    pub unready_backoff: Duration,
    /// What that time grows to. 30 s by default.
    #[serde(with = "human")]
    pub unready_backoff_max: Duration,
    /// How many members a waiting call polls itself. In a larger pool it also looks again whenever any call of the pool
    /// ends. 32 by default.
    pub window: usize,
    /// Where the random numbers start, for runs that can be repeated. Random by default.
    pub seed: Option<u64>,
}

// ===== impl BalanceConfig =====

impl Default for BalanceConfig {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(1),
            unready_backoff: Duration::from_millis(100),
            unready_backoff_max: Duration::from_secs(30),
            window: 32,
            seed: None,
        }
    }
}

impl BalanceConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let check = |kept, field, value: &dyn std::fmt::Debug, rule| {
            Invalid::unless(kept, "balance", field, value, rule)
        };
        check(
            !self.unready_backoff.is_zero(),
            "unready_backoff",
            &self.unready_backoff,
            "it must be above 0",
        )?;
        check(
            self.unready_backoff_max >= self.unready_backoff,
            "unready_backoff_max",
            &self.unready_backoff_max,
            "it must not be below unready_backoff",
        )?;
        check(
            self.window > 0,
            "window",
            &self.window,
            "it must be at least 1",
        )?;
        Ok(self)
    }
}
