use std::{fs, time::Duration};

/// What part of the machine others used while something was measured: a benchmark beside a compiler measures the compiler.
#[derive(Debug)]
pub struct Busy {
    all: f64,
    idle: f64,
    own: f64,
}

// ===== impl Busy =====

impl Busy {
    /// Begins to watch. `None` where there is no `/proc`.
    #[must_use]
    pub fn watch() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        // In ticks, since boot: user nice system idle iowait irq softirq steal; the two after that are in the first two.
        let ticks: Vec<f64> = stat
            .lines()
            .next()?
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|ticks| ticks.parse().ok())
            .collect();
        let process = fs::read_to_string("/proc/self/stat").ok()?;
        // The name may hold blanks and brackets: what follows its last bracket is the third field, user time the 14th.
        let own = process
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|ticks| ticks.parse::<f64>().ok())
            .sum();
        Some(Self {
            all: ticks.iter().sum(),
            idle: ticks.get(3)? + ticks.get(4)?,
            own,
        })
    }

    /// The part of all cores' time since `watch` that neither this process used nor nobody, from 0 to 1.
    #[must_use]
    pub fn others(&self) -> Option<f64> {
        let now = Self::watch()?;
        let all = now.all - self.all;
        let used = all - (now.idle - self.idle) - (now.own - self.own);
        (all > 0.0).then(|| (used / all).clamp(0.0, 1.0))
    }
}

/// The processor time that this process has used, all its threads together.
///
/// # Panics
///
/// Where there is no `/proc`, or a kernel that does not count.
#[must_use]
pub fn cpu_time() -> Duration {
    let threads = fs::read_dir("/proc/self/task").expect("there is a /proc");
    let nanos = threads.filter_map(|thread| {
        // The first number is the time on a processor, in nanoseconds.
        let stat = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    let used = Duration::from_nanos(nanos.sum());
    assert!(!used.is_zero(), "the kernel counts no processor time");
    used
}
