use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::few::FEW;
use crate::{config::Invalid, time::human};

/// How [`Wjsq`](super::Wjsq) probes and scores.
///
/// ```
/// use campanile::balance::WjsqConfig;
///
/// let config: WjsqConfig = serde_json::from_str(r#"{ "probes": 3, "probe_timeout": "10ms" }"#).unwrap();
/// assert!(config.build().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WjsqConfig {
    /// How many members a call probes and waits for, the last runner-up not counted, or how many it compares by their
    /// last reports in a pool above 16. 4 by default.
    pub probes: usize,
    /// How many members are probed in the background for each call, with a pool of reports. 3 by default: one empties
    /// the pool, two are 8 % worse.
    pub pool_probes: usize,
    /// How many reports the pool holds, 2 to 16. 16 by default.
    pub pool: usize,
    /// How long a probe may take. 50 ms by default.
    #[serde(with = "human")]
    pub probe_timeout: Duration,
    /// How many calls an endpoint works on before each takes twice as long: the `k` of the law `1 + calls / k`. An
    /// endpoint that reports its greatest batch is held to that. 16 by default.
    pub batch: f64,
    /// Calls in flight that reports do not show, at every endpoint. 0 by default.
    pub hidden: f64,
}

// ===== impl WjsqConfig =====

impl Default for WjsqConfig {
    fn default() -> Self {
        Self {
            probes: 4,
            pool_probes: 3,
            pool: FEW,
            probe_timeout: Duration::from_millis(50),
            batch: 16.0,
            hidden: 0.0,
        }
    }
}

impl WjsqConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let unless = |kept, field, value: &dyn std::fmt::Debug, rule| {
            Invalid::unless(kept, "wjsq", field, value, rule)
        };
        let few = 1..FEW;
        unless(
            few.contains(&self.probes),
            "probes",
            &self.probes,
            "it must be from 1 to 15",
        )?;
        unless(
            few.contains(&self.pool_probes),
            "pool_probes",
            &self.pool_probes,
            "it must be from 1 to 15",
        )?;
        unless(
            (2..=FEW).contains(&self.pool),
            "pool",
            &self.pool,
            "it must be from 2 to 16",
        )?;
        unless(
            !self.probe_timeout.is_zero(),
            "probe_timeout",
            &self.probe_timeout,
            "it must be above 0",
        )?;
        unless(
            self.batch > 0.0 && self.batch.is_finite(),
            "batch",
            &self.batch,
            "it must be above 0 and finite",
        )?;
        unless(
            self.hidden >= 0.0 && self.hidden.is_finite(),
            "hidden",
            &self.hidden,
            "it must be 0 or more and finite",
        )?;
        Ok(self)
    }
}
