use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::few::FEW;
use crate::{config::Invalid, time::human};

/// How [`Prequal`](super::Prequal) probes and picks.
///
/// ```
/// use campanile::balance::PrequalConfig;
///
/// let mut config = PrequalConfig::default();
/// config.remove = 2;
/// assert_eq!(
///     config.build().unwrap_err().to_string(),
///     "prequal.probes is 3: it must be above twice remove, so that reports come in faster than they go in a pool of any size",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PrequalConfig {
    /// The quantile of calls in flight above which a member is hot, 0 to 1; 0 looks at calls in flight alone, 1 at
    /// latency alone. 0.84 by default (the paper's 2^-0.25).
    pub hot_quantile: f64,
    /// How many members are compared, without probes. 5 by default.
    pub choices: usize,
    /// Probes a call. 3 by default.
    pub probes: usize,
    /// Reports removed a call, the oldest and the worst in turn. 1 by default.
    pub remove: u32,
    /// How many reports are held, 2 to 16; no more than half of the pool's members when otherwise more would go than
    /// come. 16 by default.
    pub pool: usize,
    /// How fast the number of reports held is meant to grow: the paper's delta, at least 0. 1 by default.
    pub growth: f64,
    /// How long a report lives. 1 s by default.
    #[serde(with = "human")]
    pub max_age: Duration,
    /// How long a probe may take. 50 ms by default.
    #[serde(with = "human")]
    pub probe_timeout: Duration,
}

// ===== impl PrequalConfig =====

impl Default for PrequalConfig {
    fn default() -> Self {
        Self {
            hot_quantile: 0.84,
            choices: 5,
            probes: 3,
            remove: 1,
            pool: FEW,
            growth: 1.0,
            max_age: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(50),
        }
    }
}

impl PrequalConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let unless = |kept, field, value: &dyn std::fmt::Debug, rule| {
            Invalid::unless(kept, "prequal", field, value, rule)
        };
        unless(
            (0.0..=1.0).contains(&self.hot_quantile),
            "hot_quantile",
            &self.hot_quantile,
            "it must be from 0 to 1",
        )?;
        unless(
            (2..=FEW).contains(&self.choices),
            "choices",
            &self.choices,
            "it must be from 2 to 16",
        )?;
        unless(
            (1..=FEW).contains(&self.probes),
            "probes",
            &self.probes,
            "it must be from 1 to 16",
        )?;
        unless(
            self.probes as u64 > 2 * u64::from(self.remove),
            "probes",
            &self.probes,
            "it must be above twice remove, so that reports come in faster than they go in a pool of any size",
        )?;
        unless(
            (2..=FEW).contains(&self.pool),
            "pool",
            &self.pool,
            "it must be from 2 to 16",
        )?;
        unless(
            self.growth >= 0.0 && self.growth.is_finite(),
            "growth",
            &self.growth,
            "it must be 0 or more and finite",
        )?;
        unless(
            !self.max_age.is_zero(),
            "max_age",
            &self.max_age,
            "it must be above 0",
        )?;
        unless(
            !self.probe_timeout.is_zero(),
            "probe_timeout",
            &self.probe_timeout,
            "it must be above 0",
        )?;
        Ok(self)
    }

    /// How many reports to hold of `members`, and how often to use each: the paper's `m`, and its
    /// `max(1, (1 + growth) / ((1 - m/n) probes - remove))`, which needs the divisor to be above 0. Not rounded.
    pub(super) fn plan(&self, members: usize) -> (usize, f64) {
        let members = members.max(1);
        let surplus = |size: usize| {
            (1.0 - size as f64 / members as f64) * self.probes as f64 - f64::from(self.remove)
        };
        let mut size = self.pool;
        if surplus(size) <= 0.0 {
            // Two at least: one alone is no choice. Below four members the surplus is gone even so.
            size = size.min((members / 2).max(2));
        }
        let uses = match surplus(size) {
            surplus if surplus > 0.0 => ((1.0 + self.growth) / surplus).max(1.0),
            _ => FEW as f64,
        };
        (size, uses.min(FEW as f64))
    }
}
