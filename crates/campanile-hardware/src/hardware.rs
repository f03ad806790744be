use std::fmt;

use serde::{Deserialize, Serialize};

use crate::source::{Source, System};

/// What the process may use of its machine, and how pressed that is, at one moment.
///
/// [`detect`](Self::detect) reads it, without a task. It prints as a readable report:
///
/// ```
/// use campanile_hardware::Hardware;
///
/// let hardware = Hardware::detect();
/// assert!(hardware.cores.usable() > 0.0);
/// println!("{hardware}");
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Hardware {
    /// Processors.
    pub cores: Cores,
    /// Memory.
    pub memory: Memory,
    /// How much of the time some task waited for a processor. Of the process's own control group where it is known,
    /// else of the machine.
    pub cpu_pressure: Option<Stall>,
    /// How much of the time some task waited for memory. Likewise.
    pub memory_pressure: Option<Stall>,
    /// How often the processor quota was used up. `None` where there is no quota.
    pub throttling: Option<Throttling>,
    /// The load of the machine.
    pub load: Option<Load>,
    /// What could not be read.
    pub missing: Vec<Missing>,
}

/// The processors that the process may use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cores {
    /// Those of the machine that are online.
    pub machine: u32,
    /// Those that the process may run on.
    pub allowed: u32,
    /// The quota of its control group and of those around it, in cores: the tightest. A fraction, often.
    pub quota: Option<f64>,
}

/// The memory that the process may use, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// That of the machine.
    pub machine: u64,
    /// The limit of its control group and of those around it: the tightest.
    pub limit: Option<u64>,
    /// What can still be taken of it without swapping: of the machine's, and within each limit. Pages of files that the
    /// kernel can drop count as available.
    pub available: u64,
}

/// A share of time in which some task was stalled: pressure stall information, the line `some`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Stall {
    /// Over the last ten seconds, as the kernel averages: `avg10`, from 0 to 1.
    pub average: f64,
    /// Since the start, in microseconds: two readings tell how it was between them.
    pub total_micros: Option<u64>,
}

/// How often the processor quota was used up, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Throttling {
    /// Periods in which something ran.
    pub periods: u64,
    /// Those in which the quota was used up before the end.
    pub throttled: u64,
}

/// The load of the machine, containers beside this one included.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Load {
    /// How many tasks ran or wanted to, averaged over a minute.
    pub one: f64,
    /// How many do so at this moment, the one that reads included. `None` where only averages are known.
    pub running: Option<u32>,
}

/// What could not be read, and where it was looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What it would have told.
    pub figure: Figure,
    /// Each file that was tried, and why it did not help.
    pub tried: Vec<String>,
}

/// A figure of [`Hardware`] that may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Figure {
    /// [`Cores::machine`]; taken as those that the process may run on.
    OnlineCores,
    /// [`Cores::allowed`]; taken from the standard library, which rounds quotas down.
    AllowedCores,
    /// [`Cores::quota`]; taken as none.
    CpuQuota,
    /// [`Memory::machine`]; taken as the limit of the control group.
    MachineMemory,
    /// [`Memory::limit`]; taken as none.
    MemoryLimit,
    /// What a control group with a limit uses; taken as nothing.
    MemoryUsage,
    /// [`Hardware::cpu_pressure`]; the load is used in its place.
    CpuPressure,
    /// [`Hardware::memory_pressure`].
    MemoryPressure,
    /// [`Hardware::throttling`], in spite of a quota.
    Throttling,
    /// [`Hardware::load`].
    Load,
}

// ===== impl Hardware =====

impl Hardware {
    /// Reads what there is now. Takes about a tenth of a millisecond, and never fails: what cannot be read is in
    /// [`missing`](Self::missing).
    #[must_use]
    pub fn detect() -> Self {
        System::new().read()
    }
}

impl fmt::Display for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cores: {}", self.cores)?;
        writeln!(f, "memory: {}", self.memory)?;
        let stalls = [
            ("cpu pressure", self.cpu_pressure),
            ("memory pressure", self.memory_pressure),
        ];
        for (name, stall) in stalls {
            if let Some(stall) = stall {
                writeln!(f, "{name}: {:.1} % of 10 s", stall.average * 100.0)?;
            }
        }
        if let Some(Throttling { periods, throttled }) = self.throttling {
            writeln!(f, "throttled: in {throttled} of {periods} periods")?;
        }
        if let Some(load) = self.load {
            write!(f, "load: {:.2} over 1 min", load.one)?;
            match load.running {
                Some(running) => writeln!(f, ", {running} now")?,
                None => writeln!(f)?,
            }
        }
        for missing in &self.missing {
            writeln!(
                f,
                "missing: {} ({})",
                missing.figure,
                missing.tried.join("; ")
            )?;
        }
        Ok(())
    }
}

// ===== impl Cores =====

impl Default for Cores {
    fn default() -> Self {
        Self {
            machine: 1,
            allowed: 1,
            quota: None,
        }
    }
}

impl Cores {
    /// How many cores' worth of work the process can do at once: those it may run on, within its quota.
    #[must_use]
    pub fn usable(&self) -> f64 {
        let allowed = f64::from(self.allowed.max(1));
        match self.quota {
            Some(quota) if quota > 0.0 => quota.min(allowed),
            _ => allowed,
        }
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.2} usable ({} allowed of {}, ",
            self.usable(),
            self.allowed,
            self.machine
        )?;
        match self.quota {
            Some(quota) => write!(f, "quota {quota:.2})"),
            None => f.write_str("no quota)"),
        }
    }
}

// ===== impl Memory =====

impl Memory {
    /// The most that the process may use: the machine's memory, within the limit.
    #[must_use]
    pub fn usable(&self) -> u64 {
        match self.limit {
            Some(limit) if self.machine == 0 => limit,
            Some(limit) => limit.min(self.machine),
            None => self.machine,
        }
    }

    /// Which share of it is in use, from 0 to 1; `None` where nothing is known of it.
    #[must_use]
    pub fn used(&self) -> Option<f64> {
        let usable = self.usable();
        (usable > 0).then(|| 1.0 - self.available.min(usable) as f64 / usable as f64)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "{:.0} MiB available of {:.0} MiB (machine {:.0} MiB, ",
            mib(self.available),
            mib(self.usable()),
            mib(self.machine)
        )?;
        match self.limit {
            Some(limit) => write!(f, "limit {:.0} MiB)", mib(limit)),
            None => f.write_str("no limit)"),
        }
    }
}

// ===== impl Figure =====

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnlineCores => "cores of the machine",
            Self::AllowedCores => "allowed cores",
            Self::CpuQuota => "cpu quota",
            Self::MachineMemory => "memory of the machine",
            Self::MemoryLimit => "memory limit",
            Self::MemoryUsage => "memory in use",
            Self::CpuPressure => "cpu pressure",
            Self::MemoryPressure => "memory pressure",
            Self::Throttling => "throttling",
            Self::Load => "load",
        })
    }
}
