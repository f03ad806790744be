use serde::{Deserialize, Serialize};

use crate::hardware::{Cores, Hardware, Memory};

/// What a stage does with its machine, and so how many calls of it fit.
///
/// | work | start | ceiling |
/// |---|---|---|
/// | [`cpu`](Self::cpu) | cores | cores |
/// | [`io`](Self::io), calls to an LLM provider included | cores × 2 | cores × 4 |
/// | [`memory`](Self::memory) | (available memory - reserve) / memory per request | the same |
///
/// Cores are the [usable](crate::Cores::usable) ones: with a quota, a fraction. Results are rounded to the nearest whole
/// number, and are never below 1.
///
/// ```
/// use campanile_hardware::{Hardware, Work};
///
/// // Limits to start with, without a task.
/// let hardware = Hardware::detect();
/// let parse = Work::cpu().start(&hardware);
/// let chat = Work::io().start(&hardware);
/// let embed = Work::memory(512 << 20).start(&hardware);
/// assert!(parse >= 1.0 && chat >= parse && embed >= 1.0);
///
/// let work: Work = serde_json::from_str(r#"{ "kind": "memory", "per_request": 1073741824 }"#).unwrap();
/// assert_eq!(work, Work::memory(1 << 30));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Work {
    /// Computes: more calls at once than there are cores only wait for each other.
    Cpu {
        /// Calls for each core. 1 by default.
        #[serde(default = "one")]
        per_core: f64,
    },
    /// Waits for others most of the time.
    Io {
        /// Calls for each core, to start with. 2 by default.
        #[serde(default = "two")]
        start_per_core: f64,
        /// Calls for each core, at most. 4 by default; for work that does nothing but wait, far more is right.
        #[serde(default = "four")]
        per_core: f64,
    },
    /// Holds much memory while it runs.
    Memory {
        /// Bytes that one call takes.
        per_request: u64,
        /// The share of the usable memory that is left alone, from 0 to 1. 0.1 by default.
        #[serde(default = "tenth")]
        reserve: f64,
    },
}

const fn one() -> f64 {
    1.0
}

const fn two() -> f64 {
    2.0
}

const fn four() -> f64 {
    4.0
}

const fn tenth() -> f64 {
    0.1
}

// ===== impl Work =====

impl Work {
    /// Work that computes: a call for each core.
    #[must_use]
    pub const fn cpu() -> Self {
        Self::Cpu { per_core: one() }
    }

    /// Work that waits for others: two calls for each core to start with, four at most.
    #[must_use]
    pub const fn io() -> Self {
        Self::Io {
            start_per_core: two(),
            per_core: four(),
        }
    }

    /// Work that holds `per_request` bytes: as many calls as fit into the available memory, a tenth of all being left
    /// alone.
    #[must_use]
    pub const fn memory(per_request: u64) -> Self {
        Self::Memory {
            per_request,
            reserve: tenth(),
        }
    }

    /// How many calls to begin with: the initial limit of a limiter that finds its own, or a fixed one.
    #[must_use]
    pub fn start(&self, hardware: &Hardware) -> f64 {
        whole(self.first(&hardware.cores, &hardware.memory))
    }

    /// How many calls at most, while the machine is not pressed.
    #[must_use]
    pub fn ceiling(&self, hardware: &Hardware) -> f64 {
        whole(self.fit(&hardware.cores, &hardware.memory))
    }

    /// How many calls to begin with, to the fraction.
    pub(crate) fn first(&self, cores: &Cores, memory: &Memory) -> f64 {
        match self {
            Self::Io { start_per_core, .. } => cores.usable() * start_per_core,
            _ => self.fit(cores, memory),
        }
    }

    /// How many calls fit, to the fraction.
    pub(crate) fn fit(&self, cores: &Cores, memory: &Memory) -> f64 {
        match *self {
            Self::Cpu { per_core } | Self::Io { per_core, .. } => cores.usable() * per_core,
            Self::Memory {
                per_request,
                reserve,
            } => {
                let left = memory.available as f64 - memory.usable() as f64 * reserve;
                (left / per_request.max(1) as f64).floor()
            }
        }
    }
}

/// A limit of whole calls that lets work go on.
fn whole(calls: f64) -> f64 {
    calls.round().max(1.0)
}
