//! What has happened lately: the latest calls, or the calls of the latest time. Running sums, so that a look costs the
//! same whatever the size.

use super::config::WindowKind;
use crate::time::{Timestamp, nanos};

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// Into how many parts a window of time is cut. It slides by one of them.
const BUCKETS: usize = 10;

/// One call as the window sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sample {
    pub(super) fault: Fault,
    pub(super) slow: bool,
}

/// Whether a call went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Fault {
    #[default]
    None,
    /// The endpoint was overloaded.
    Soft,
    /// The endpoint failed.
    Hard,
}

/// How many calls there were of which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sums {
    pub(super) calls: u64,
    pub(super) hard: u64,
    pub(super) soft: u64,
    pub(super) slow: u64,
}

/// The latest calls, or the calls of the latest time.
#[derive(Debug, Clone)]
pub(super) enum Window {
    Calls(Calls),
    /// Boxed, since most breakers keep no window at all.
    Time(Box<Time>),
}

/// The latest calls, each a byte in a ring.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    ring: Box<[Option<Sample>]>,
    next: usize,
    sums: Sums,
}

/// The calls of the latest time, in buckets.
#[derive(Debug, Clone)]
pub(super) struct Time {
    buckets: [Sums; BUCKETS],
    /// The number, since the origin of time, of the newest bucket.
    newest: u64,
    width: u64,
    sums: Sums,
}

// ===== impl Window =====

impl Window {
    pub(super) fn new(kind: WindowKind) -> Self {
        match kind {
            WindowKind::Calls(calls) => Self::Calls(Calls {
                ring: vec![None; calls.max(1) as usize].into(),
                next: 0,
                sums: Sums::default(),
            }),
            WindowKind::Time(time) => Self::Time(Box::new(Time {
                buckets: [Sums::default(); BUCKETS],
                newest: 0,
                width: (nanos(time) / BUCKETS as u64).max(1),
                sums: Sums::default(),
            })),
        }
    }

    /// Adds calls that went well before anything that is told after this; in a window of time, in the newest bucket.
    pub(super) fn absorb(&mut self, fine: u64) {
        match self {
            Self::Calls(calls) => calls.absorb(fine),
            Self::Time(time) => {
                time.buckets[BUCKETS - 1].calls += fine;
                time.sums.calls += fine;
            }
        }
    }

    /// Forgets what is too old at `now`. A clock that steps back forgets nothing.
    pub(super) fn roll(&mut self, now: Timestamp) {
        if let Self::Time(time) = self {
            time.roll(now);
        }
    }

    /// When the newest bucket ends.
    pub(super) fn rolls_at(&self) -> Timestamp {
        match self {
            Self::Calls(_) => Timestamp::MAX,
            Self::Time(time) => Timestamp::from_nanos((time.newest + 1).saturating_mul(time.width)),
        }
    }

    /// Adds one call.
    pub(super) fn record(&mut self, sample: Sample) {
        match self {
            Self::Calls(calls) => calls.push(sample),
            Self::Time(time) => {
                time.buckets[BUCKETS - 1].add(sample);
                time.sums.add(sample);
            }
        }
    }

    pub(super) const fn sums(&self) -> Sums {
        match self {
            Self::Calls(calls) => calls.sums,
            Self::Time(time) => time.sums,
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        match self {
            Self::Calls(calls) => {
                calls.ring.fill(None);
                calls.sums = Sums::default();
            }
            Self::Time(time) => {
                time.buckets = [Sums::default(); BUCKETS];
                time.sums = Sums::default();
            }
        }
    }
}

// ===== impl Calls =====

impl Calls {
    fn push(&mut self, sample: Sample) {
        if let Some(oldest) = self.ring[self.next].replace(sample) {
            self.sums.remove(oldest);
        }
        self.sums.add(sample);
        self.next = (self.next + 1) % self.ring.len();
    }

    fn absorb(&mut self, fine: u64) {
        let len = self.ring.len() as u64;
        if fine >= len {
            self.ring.fill(Some(Sample::default()));
            self.sums = Sums {
                calls: len,
                ..Sums::default()
            };
            return;
        }
        for _ in 0..fine {
            self.push(Sample::default());
        }
    }
}

// ===== impl Time =====

impl Time {
    fn roll(&mut self, now: Timestamp) {
        let number = now.as_nanos() / self.width;
        let passed = number.saturating_sub(self.newest).min(BUCKETS as u64);
        for _ in 0..passed {
            self.buckets.rotate_left(1);
            let oldest = std::mem::take(&mut self.buckets[BUCKETS - 1]);
            self.sums.subtract(oldest);
        }
        self.newest = self.newest.max(number);
    }
}

// ===== impl Sums =====

impl Sums {
    fn add(&mut self, sample: Sample) {
        self.calls += 1;
        self.hard += u64::from(sample.fault == Fault::Hard);
        self.soft += u64::from(sample.fault == Fault::Soft);
        self.slow += u64::from(sample.slow);
    }

    fn remove(&mut self, sample: Sample) {
        self.calls -= 1;
        self.hard -= u64::from(sample.fault == Fault::Hard);
        self.soft -= u64::from(sample.fault == Fault::Soft);
        self.slow -= u64::from(sample.slow);
    }

    fn subtract(&mut self, other: Self) {
        self.calls -= other.calls;
        self.hard -= other.hard;
        self.soft -= other.soft;
        self.slow -= other.slow;
    }

    /// The share of calls that failed, an overload counting as `weight` of a failure.
    #[allow(clippy::cast_precision_loss)] // counts of calls are far below 2^52
    pub(super) fn failure_rate(&self, weight: f64) -> f64 {
        (self.soft as f64).mul_add(weight, self.hard as f64) / self.calls.max(1) as f64
    }

    /// The share of calls that were slow.
    #[allow(clippy::cast_precision_loss)] // counts of calls are far below 2^52
    pub(super) fn slow_rate(&self) -> f64 {
        self.slow as f64 / self.calls.max(1) as f64
    }
}
