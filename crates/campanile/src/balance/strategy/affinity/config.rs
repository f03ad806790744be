use serde::{Deserialize, Serialize};

use crate::config::Invalid;

/// How [`Affinity`](super::Affinity) bounds and looks.
///
/// ```
/// use campanile::balance::AffinityConfig;
///
/// let mut config = AffinityConfig::default();
/// config.epsilon = -1.0;
/// assert_eq!(config.build().unwrap_err().to_string(), "affinity.epsilon is -1.0: it must be above 0 and finite");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AffinityConfig {
    /// How far above its share of the calls in flight a member may be loaded. Less is more even, more keeps more keys
    /// together. 0.25 by default.
    pub epsilon: f64,
    /// How many calls in flight a member may always have, whatever its share: in a large pool with little to do the
    /// bound is one call, and a second call of the same key at the same time would go elsewhere. 1 by default.
    pub floor: u32,
    /// Up to how many members every one is scored; a larger pool has a ring. Every router of a pool should have the
    /// same limit. 64 by default.
    pub scan: usize,
}

// ===== impl AffinityConfig =====

impl Default for AffinityConfig {
    fn default() -> Self {
        Self {
            epsilon: 0.25,
            floor: 1,
            scan: 64,
        }
    }
}

impl AffinityConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When `epsilon` is not above 0 and finite.
    pub fn build(self) -> Result<Self, Invalid> {
        Invalid::unless(
            self.epsilon > 0.0 && self.epsilon.is_finite(),
            "affinity",
            "epsilon",
            &self.epsilon,
            "it must be above 0 and finite",
        )?;
        Ok(self)
    }
}
