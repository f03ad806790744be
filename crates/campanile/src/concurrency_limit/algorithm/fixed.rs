use serde::{Deserialize, Serialize};

use super::Algorithm;
use crate::config::Invalid;

/// A limit that stays where it was put.
#[derive(Debug, Clone)]
pub struct Static {
    limit: f64,
}

/// The settings of [`Static`].
///
/// ```
/// use campanile::concurrency_limit::algorithm::StaticConfig;
///
/// assert_eq!(
///     StaticConfig { limit: 0 }.build().unwrap_err().to_string(),
///     "static.limit is 0: it must be at least 1",
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StaticConfig {
    /// Calls at once. 32 by default.
    pub limit: u32,
}

// ===== impl StaticConfig =====

impl Default for StaticConfig {
    fn default() -> Self {
        Self { limit: 32 }
    }
}

impl StaticConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When the limit is 0, which would end all traffic.
    pub fn build(self) -> Result<Self, Invalid> {
        Invalid::unless(
            self.limit > 0,
            "static",
            "limit",
            &self.limit,
            "it must be at least 1",
        )?;
        Ok(self)
    }
}

// ===== impl Static =====

impl Static {
    /// A limit as `config` says.
    #[must_use]
    pub fn new(config: StaticConfig) -> Self {
        Self {
            limit: f64::from(config.limit),
        }
    }
}

impl Algorithm for Static {
    fn limit(&self) -> f64 {
        self.limit
    }

    fn samples(&self) -> bool {
        false
    }
}
