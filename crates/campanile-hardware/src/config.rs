use std::time::Duration;

use campanile::{config::Invalid, time::human};
use serde::{Deserialize, Serialize};

use crate::{hardware::Hardware, state::Ceiling, work::Work};

#[cfg(test)]
mod tests;

/// How the ceiling of one stage follows the machine.
///
/// ```
/// use campanile_hardware::{CeilingConfig, Work};
///
/// let config: CeilingConfig =
///     serde_json::from_str(r#"{ "work": { "kind": "cpu" }, "share": 0.5, "settle": "10s" }"#).unwrap();
/// assert_eq!(config.work, Work::cpu());
/// assert!(config.build().is_ok());
///
/// let error = CeilingConfig::new(Work::io()).with_share(0.0).build().unwrap_err();
/// assert_eq!(error.to_string(), "hardware.share is 0.0: it must be above 0 and at most 1");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CeilingConfig {
    /// What the stage does. [`Work::io`] by default.
    pub work: Work,
    /// The part of the machine that this stage may take, above 0 to 1; for several stages in one process. 1 by default.
    pub share: f64,
    /// The ceiling never falls below this many calls. 1 by default.
    pub floor: f64,
    /// Nor rises above this many. No more than the machine allows by default.
    pub cap: Option<f64>,
    /// The share of the ceiling that is taken away when processors are short. 0.25 by default.
    pub cpu_cut: f64,
    /// The same when memory is short, which ends worse. 0.5 by default.
    pub memory_cut: f64,
    /// The share of the full ceiling that is given back at a time. 0.1 by default.
    pub raise: f64,
    /// How long to wait after a cut for its effect, before another. 5 s by default.
    #[serde(with = "human")]
    pub settle: Duration,
    /// How long nothing may have pressed before something is given back, and between two such steps. 5 s by default.
    #[serde(with = "human")]
    pub calm: Duration,
    /// Bounds for the share of time in which some task waited for a processor. 0.5 and 0.2 by default.
    pub cpu_pressure: Band,
    /// Bounds for the share of periods in which the processor quota was used up. 0.25 and 0.05 by default.
    pub throttling: Band,
    /// Bounds for the machine's load for each of its cores; looked at only where `cpu_pressure` is not known. 2 and 1 by
    /// default.
    pub load: Band,
    /// Bounds for the share of time in which some task waited for memory. 0.1 and 0.02 by default.
    pub memory_pressure: Band,
    /// Bounds for the share of the usable memory that is in use. 0.9 and 0.8 by default.
    pub memory_used: Band,
}

/// Two bounds for a signal, so that it does not flutter about one. A `high` that is never reached turns a signal off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// From here on the machine is pressed.
    pub high: f64,
    /// Down to here it is not calm.
    pub low: f64,
}

// ===== impl CeilingConfig =====

impl Default for CeilingConfig {
    fn default() -> Self {
        Self {
            work: Work::io(),
            share: 1.0,
            floor: 1.0,
            cap: None,
            cpu_cut: 0.25,
            memory_cut: 0.5,
            raise: 0.1,
            settle: Duration::from_secs(5),
            calm: Duration::from_secs(5),
            cpu_pressure: Band::new(0.5, 0.2),
            throttling: Band::new(0.25, 0.05),
            load: Band::new(2.0, 1.0),
            memory_pressure: Band::new(0.1, 0.02),
            memory_used: Band::new(0.9, 0.8),
        }
    }
}

impl CeilingConfig {
    /// The defaults, for this kind of work.
    #[must_use]
    pub fn new(work: Work) -> Self {
        Self {
            work,
            ..Self::default()
        }
    }

    /// The part of the machine that this stage may take.
    #[must_use]
    pub const fn with_share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// The ceiling never falls below `floor` calls.
    #[must_use]
    pub const fn with_floor(mut self, floor: f64) -> Self {
        self.floor = floor;
        self
    }

    /// The ceiling never rises above `cap` calls.
    #[must_use]
    pub const fn with_cap(mut self, cap: f64) -> Self {
        self.cap = Some(cap);
        self
    }

    /// The limit to start with: what [`Work::start`] says, within this stage's share, floor and cap.
    #[must_use]
    pub fn start(&self, hardware: &Hardware) -> f64 {
        self.bound(self.work.first(&hardware.cores, &hardware.memory) * self.share)
    }

    /// Whole calls, within floor and cap.
    pub(crate) fn bound(&self, calls: f64) -> f64 {
        let cap = self.cap.unwrap_or(f64::INFINITY);
        calls.round().min(cap).max(self.floor)
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let unless = |kept, field, value: &dyn std::fmt::Debug, rule| {
            Invalid::unless(kept, "hardware", field, value, rule)
        };
        let positive = |field, value: f64| {
            let kept = value.is_finite() && value > 0.0;
            unless(kept, field, &value, "it must be above 0")
        };
        match self.work {
            Work::Cpu { per_core } => positive("work.per_core", per_core)?,
            Work::Io {
                start_per_core,
                per_core,
            } => {
                positive("work.per_core", per_core)?;
                positive("work.start_per_core", start_per_core)?;
                unless(
                    start_per_core <= per_core,
                    "work.start_per_core",
                    &start_per_core,
                    "it must not be above work.per_core",
                )?;
            }
            Work::Memory {
                per_request,
                reserve,
            } => {
                unless(
                    per_request > 0,
                    "work.per_request",
                    &per_request,
                    "it must be above 0",
                )?;
                unless(
                    (0.0..1.0).contains(&reserve),
                    "work.reserve",
                    &reserve,
                    "it must be from 0 to below 1",
                )?;
            }
        }
        unless(
            self.share > 0.0 && self.share <= 1.0,
            "share",
            &self.share,
            "it must be above 0 and at most 1",
        )?;
        unless(
            self.floor.is_finite() && self.floor >= 1.0,
            "floor",
            &self.floor,
            "it must be at least 1, or the stage stands still",
        )?;
        if let Some(cap) = self.cap {
            let kept = cap >= self.floor;
            unless(kept, "cap", &cap, "it must not be below floor")?;
        }
        for (field, share) in [("cpu_cut", self.cpu_cut), ("memory_cut", self.memory_cut)] {
            let kept = share > 0.0 && share < 1.0;
            unless(kept, field, &share, "it must be above 0 and below 1")?;
        }
        unless(
            self.raise > 0.0 && self.raise <= 1.0,
            "raise",
            &self.raise,
            "it must be above 0 and at most 1",
        )?;
        let bands = [
            ("cpu_pressure", self.cpu_pressure),
            ("throttling", self.throttling),
            ("load", self.load),
            ("memory_pressure", self.memory_pressure),
            ("memory_used", self.memory_used),
        ];
        for (field, band) in bands {
            let kept = band.low >= 0.0 && band.low < band.high;
            unless(kept, field, &band, "low must be from 0 to below high")?;
        }
        Ok(self)
    }

    /// The ceiling as it is on this machine, to be moved by hand: [`Sampler`](crate::Sampler) does it by itself.
    #[must_use]
    pub fn ceiling(self, hardware: &Hardware, now: campanile::time::Timestamp) -> Ceiling {
        Ceiling::new(self, hardware, now)
    }
}

// ===== impl Band =====

impl Band {
    /// Pressed from `high` on, calm up to `low`.
    #[must_use]
    pub const fn new(high: f64, low: f64) -> Self {
        Self { high, low }
    }
}
