//! The ceiling of one stage: readings go in, the ceiling comes out.

use campanile::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    config::{Band, CeilingConfig},
    hardware::{Hardware, Memory, Stall},
};

/// The ceiling of one stage, as a state machine: [`step`](Self::step) takes a reading. It reads no clock and no file.
///
/// - The **full** ceiling is what the stage's work, share and cap allow on this machine. It follows cores, quota and memory
///   limit when those change while running.
/// - While a signal is at or above the upper bound of its band, the ceiling is **cut**, by `cpu_cut` or `memory_cut` and at
///   least by one call, then left alone for `settle`.
/// - While every signal is at or below its lower bound, the ceiling is **raised** by `raise` of the full one, and at least
///   by one call, each time that it has been calm for `calm`.
/// - Between the bounds it is held.
///
/// Averages lag: `avg10` remembers for ten seconds, a load average for a minute. So each such signal is read twice, as the
/// average and as it was since the last reading. A cut asks for both to be high: a short burst is not enough, nor is
/// pressure that is over. A raise asks for both to be low.
///
/// ```
/// use campanile::time::Timestamp;
/// use campanile_hardware::{Ceiling, CeilingConfig, Change, Hardware, Stall, Work};
/// use std::time::Duration;
///
/// let mut hardware = Hardware::default();
/// hardware.cores.allowed = 8;
/// let now = Timestamp::now();
/// let mut ceiling = Ceiling::new(CeilingConfig::new(Work::io()), &hardware, now);
/// assert_eq!(ceiling.value(), 32.0);
///
/// hardware.cpu_pressure = Some(Stall { average: 0.8, total_micros: None });
/// let change = ceiling.step(&hardware, now.after(Duration::from_secs(1)));
/// assert!(matches!(change, Change::Cut(_)));
/// assert_eq!(ceiling.value(), 24.0);
/// ```
#[derive(Debug, Clone)]
pub struct Ceiling {
    config: CeilingConfig,
    /// The memory that was there when the stage had none of it yet.
    base: Memory,
    full: f64,
    /// The part of the full ceiling that holds, above 0 to 1.
    level: f64,
    seen: Seen,
    pressed: Option<Cause>,
    cut_at: Option<Timestamp>,
    changed_at: Timestamp,
    calm_since: Option<Timestamp>,
}

/// What pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// Most of the usable memory is in use.
    MemoryUsed,
    /// Tasks wait for memory.
    MemoryPressure,
    /// The processor quota is used up.
    Throttling,
    /// Tasks wait for a processor.
    CpuPressure,
    /// The machine has more to run than cores.
    Load,
}

/// What a reading did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Nothing.
    Held,
    /// The ceiling was lowered.
    Cut(Cause),
    /// The ceiling was raised.
    Raised,
    /// Cores or memory of the machine are others than before.
    Resized,
}

/// The state of a [`Ceiling`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CeilingSnapshot {
    /// Calls at most, now.
    pub ceiling: f64,
    /// Calls at most while nothing presses.
    pub full: f64,
    /// What pressed at the last reading.
    pub pressed: Option<Cause>,
}

/// What is kept of the last reading.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    at: Timestamp,
    cpu: Option<u64>,
    memory: Option<u64>,
    periods: Option<(u64, u64)>,
    throttled: f64,
}

/// One signal, read in two ways.
#[derive(Debug, Clone, Copy)]
struct Signal {
    cause: Cause,
    band: Band,
    least: f64,
    most: f64,
}

// ===== impl Ceiling =====

impl Ceiling {
    /// The full ceiling on this machine. `config` is one that was [checked](CeilingConfig::build).
    #[must_use]
    pub fn new(config: CeilingConfig, hardware: &Hardware, now: Timestamp) -> Self {
        let mut ceiling = Self {
            config,
            base: hardware.memory,
            full: 1.0,
            level: 1.0,
            seen: Seen::default(),
            pressed: None,
            cut_at: None,
            changed_at: now,
            calm_since: None,
        };
        ceiling.full = ceiling.fit(hardware);
        ceiling.seen = ceiling.seen.next(hardware, now);
        ceiling
    }

    /// Calls at most, now: a whole number.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.config.bound(self.full * self.level)
    }

    /// Everything that is known of it.
    #[must_use]
    pub fn snapshot(&self) -> CeilingSnapshot {
        CeilingSnapshot {
            ceiling: self.value(),
            full: self.full,
            pressed: self.pressed,
        }
    }

    /// Takes a reading.
    pub fn step(&mut self, hardware: &Hardware, now: Timestamp) -> Change {
        let seen = self.seen.next(hardware, now);
        let signals = self.signals(hardware, &seen);
        self.seen = seen;

        let full = self.fit(hardware);
        let mut change = Change::Held;
        if full != self.full {
            self.full = full;
            change = Change::Resized;
        }

        let mut known = signals.iter().flatten();
        self.pressed = known
            .clone()
            .find(|signal| signal.least >= signal.band.high)
            .map(|signal| signal.cause);
        if let Some(cause) = self.pressed {
            self.calm_since = None;
            if self.is_settled(now) && self.cut(cause) {
                self.cut_at = Some(now);
                self.changed_at = now;
                change = Change::Cut(cause);
            }
        } else if known.all(|signal| signal.most <= signal.band.low) {
            let since = *self.calm_since.get_or_insert(now);
            let calm = now.since(since.max(self.changed_at));
            if calm >= self.config.calm && self.raise() {
                self.changed_at = now;
                change = Change::Raised;
            }
        } else {
            self.calm_since = None;
        }
        change
    }

    fn is_settled(&self, now: Timestamp) -> bool {
        self.cut_at
            .is_none_or(|at| now.since(at) >= self.config.settle)
    }

    fn cut(&mut self, cause: Cause) -> bool {
        let before = self.value();
        let share = match cause {
            Cause::MemoryUsed | Cause::MemoryPressure => self.config.memory_cut,
            Cause::Throttling | Cause::CpuPressure | Cause::Load => self.config.cpu_cut,
        };
        let calls = (before * (1.0 - share)).floor().max(self.config.floor);
        self.level = (calls / self.full).min(1.0);
        self.value() < before
    }

    fn raise(&mut self) -> bool {
        let before = self.value();
        let calls = (before + self.full * self.config.raise).max(before + 1.0);
        self.level = (calls / self.full).min(1.0);
        self.value() > before
    }

    /// The full ceiling. Memory counts as it was at first, but for what the limits have changed since: what is available
    /// later lacks what the stage's own calls hold.
    fn fit(&self, hardware: &Hardware) -> f64 {
        let now = hardware.memory;
        let grown = self.base.available.saturating_add(now.usable());
        let available = grown.saturating_sub(self.base.usable());
        let memory = Memory { available, ..now };
        let calls = self.config.work.fit(&hardware.cores, &memory) * self.config.share;
        self.config.bound(calls)
    }

    fn signals(&self, hardware: &Hardware, seen: &Seen) -> [Option<Signal>; 5] {
        let config = &self.config;
        let signal = |cause, band, one: f64, other: f64| Signal {
            cause,
            band,
            least: one.min(other),
            most: one.max(other),
        };
        let stall = |cause, band, stall: Option<Stall>, before, after| {
            let average = stall?.average;
            let recent = self.seen.share(before, after, seen.at).unwrap_or(average);
            Some(signal(cause, band, average, recent))
        };
        let cpu = stall(
            Cause::CpuPressure,
            config.cpu_pressure,
            hardware.cpu_pressure,
            self.seen.cpu,
            seen.cpu,
        );
        let used = hardware.memory.used();
        [
            used.map(|used| signal(Cause::MemoryUsed, config.memory_used, used, used)),
            stall(
                Cause::MemoryPressure,
                config.memory_pressure,
                hardware.memory_pressure,
                self.seen.memory,
                seen.memory,
            ),
            seen.periods.map(|_| {
                signal(
                    Cause::Throttling,
                    config.throttling,
                    self.seen.throttled,
                    seen.throttled,
                )
            }),
            cpu,
            hardware.load.filter(|_| cpu.is_none()).map(|load| {
                let cores = f64::from(hardware.cores.machine.max(1));
                // The task that reads is no load.
                let running = load
                    .running
                    .map_or(load.one, |running| f64::from(running.saturating_sub(1)));
                signal(Cause::Load, config.load, load.one / cores, running / cores)
            }),
        ]
    }
}

// ===== impl Seen =====

impl Seen {
    fn next(&self, hardware: &Hardware, at: Timestamp) -> Self {
        let periods = hardware
            .throttling
            .map(|throttling| (throttling.periods, throttling.throttled));
        let throttled = match (self.periods, periods) {
            (Some(before), Some(after)) if after.0 > before.0 => {
                after.1.saturating_sub(before.1) as f64 / (after.0 - before.0) as f64
            }
            _ => 0.0,
        };
        Self {
            at,
            cpu: hardware.cpu_pressure.and_then(|stall| stall.total_micros),
            memory: hardware
                .memory_pressure
                .and_then(|stall| stall.total_micros),
            periods,
            throttled: throttled.min(1.0),
        }
    }

    /// The share of the time from this reading to that at `now` in which something was stalled. `None` if it cannot be
    /// told: no time has passed, or the count is another group's.
    fn share(&self, before: Option<u64>, after: Option<u64>, now: Timestamp) -> Option<f64> {
        let micros = now.since(self.at).as_micros();
        let stalled = after?.checked_sub(before?)?;
        (micros > 0).then(|| (stalled as f64 / micros as f64).min(1.0))
    }
}
