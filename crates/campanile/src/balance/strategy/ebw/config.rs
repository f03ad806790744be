use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{config::Invalid, time::human};

/// The constants of [`Ebw`](super::Ebw).
///
/// ```
/// use campanile::balance::EbwConfig;
///
/// let config: EbwConfig = serde_json::from_str(r#"{ "hidden_load": 2.0, "initial_tau": "1s" }"#).unwrap();
/// assert!(config.build().is_ok());
/// assert_eq!(
///     EbwConfig { k: 0.0, ..EbwConfig::default() }.build().unwrap_err().to_string(),
///     "ebw.k is 0.0: it must be finite and above 0",
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EbwConfig {
    /// How many calls an endpoint works on before more of them hardly make it busier. 8 by default; 8 and 16 do equally
    /// well.
    pub k: f64,
    /// How much an endpoint is believed to be like all others, in mean calls of evidence. 3 by default.
    pub kappa: f64,
    /// Calls in flight at each endpoint that this pool does not see, because others send them. 0 by default, which is
    /// right for a pool that is alone; 2 was best for sixteen.
    pub hidden_load: f64,
    /// How long evidence lasts, in mean calls. 2 by default; up to 4 does equally well.
    pub memory: f64,
    /// How long evidence lasts before a call has succeeded. 10 s by default.
    #[serde(with = "human")]
    pub initial_tau: Duration,
    /// The least time that evidence lasts, however short calls are. 10 ms by default.
    #[serde(with = "human")]
    pub min_tau: Duration,
    /// The largest pool of which every member is compared. 64 by default.
    pub scan_limit: usize,
    /// How many random members are compared in a larger pool, beside the last runner-up. 8 by default; an odd number is
    /// rounded up.
    pub candidates: usize,
}

// ===== impl EbwConfig =====

impl Default for EbwConfig {
    fn default() -> Self {
        Self {
            k: 8.0,
            kappa: 3.0,
            hidden_load: 0.0,
            memory: 2.0,
            initial_tau: Duration::from_secs(10),
            min_tau: Duration::from_millis(10),
            scan_limit: 64,
            candidates: 8,
        }
    }
}

impl EbwConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let unless = |kept, field, value: &dyn std::fmt::Debug, rule| {
            Invalid::unless(kept, "ebw", field, value, rule)
        };
        let positive = |field, value: f64| {
            unless(
                value.is_finite() && value > 0.0,
                field,
                &value,
                "it must be finite and above 0",
            )
        };
        positive("k", self.k)?;
        positive("kappa", self.kappa)?;
        positive("memory", self.memory)?;
        unless(
            self.hidden_load.is_finite() && self.hidden_load >= 0.0,
            "hidden_load",
            &self.hidden_load,
            "it must be finite and not below 0",
        )?;
        unless(
            !self.min_tau.is_zero(),
            "min_tau",
            &self.min_tau,
            "it must be above 0",
        )?;
        unless(
            self.initial_tau >= self.min_tau,
            "initial_tau",
            &self.initial_tau,
            "it must not be below min_tau",
        )?;
        unless(
            (1..=62).contains(&self.candidates),
            "candidates",
            &self.candidates,
            "it must be from 1 to 62",
        )?;
        Ok(self)
    }
}
