use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{config::Invalid, time::human};

/// When [`Tiers`](super::Tiers) spill over.
///
/// ```
/// use campanile::balance::TiersConfig;
///
/// let mut config = TiersConfig::default();
/// config.overprovision = 0.5;
/// assert_eq!(
///     config.build().unwrap_err().to_string(),
///     "tiers.overprovision is 0.5: it must be at least 1 and finite",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TiersConfig {
    /// How much more than its own share of the traffic each member can take: a tier keeps all its traffic until fewer
    /// than one part in this many is open. 1.4 by default: 71 %.
    pub overprovision: f64,
    /// How long the count of open members is believed. 100 ms by default.
    #[serde(with = "human")]
    pub refresh: Duration,
}

// ===== impl TiersConfig =====

impl Default for TiersConfig {
    fn default() -> Self {
        Self {
            overprovision: 1.4,
            refresh: Duration::from_millis(100),
        }
    }
}

impl TiersConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When `overprovision` is below 1 or not finite.
    pub fn build(self) -> Result<Self, Invalid> {
        Invalid::unless(
            self.overprovision >= 1.0 && self.overprovision.is_finite(),
            "tiers",
            "overprovision",
            &self.overprovision,
            "it must be at least 1 and finite",
        )?;
        Ok(self)
    }
}
