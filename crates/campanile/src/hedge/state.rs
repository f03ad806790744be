//! What is learned of the time to first data. No clock: `now` goes in.

use std::{fmt, time::Duration};

use crate::{
    sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    time::Timestamp,
};

/// Steps of each doubling: a percentile is at most a sixteenth too high.
const STEPS: usize = 16;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Up to 2^41 units of 1,024 ns: 26 days.
const BUCKETS: usize = STEPS * 38;

/// How often the percentile is taken anew.
const REFRESH: Duration = Duration::from_millis(250);

/// Counts by logarithmic size, each doubling in even steps. Recording is one relaxed add.
struct Histogram([AtomicU32; BUCKETS]);

/// The percentile of the recent past: of two histograms, one is written, and the other is what was written before.
pub(super) struct Learned {
    percentile: f64,
    min_samples: u64,
    window: Duration,
    floor: Duration,
    /// In nanoseconds; 0 while too little is known.
    delay: AtomicU64,
    refresh: AtomicU64,
    rotate: AtomicU64,
    current: AtomicUsize,
    histograms: [Histogram; 2],
}

// ===== impl Histogram =====

impl Histogram {
    const fn bucket(time: Duration) -> usize {
        let nanos = time.as_nanos();
        let units = if nanos >> 10 > u64::MAX as u128 {
            u64::MAX
        } else {
            (nanos >> 10) as u64
        };
        if units < STEPS as u64 {
            return units as usize;
        }
        let doubling = units.ilog2() - STEP_BITS;
        let step = (units >> doubling) as usize & (STEPS - 1);
        let bucket = (doubling as usize + 1) * STEPS + step;
        if bucket < BUCKETS {
            bucket
        } else {
            BUCKETS - 1
        }
    }

    /// What the times in a bucket are below.
    const fn end(bucket: usize) -> Duration {
        let next = bucket as u64 + 1;
        let steps = STEPS as u64;
        if next <= steps {
            return Duration::from_nanos(next << 10);
        }
        let (doubling, step) = (next / steps - 1, next % steps);
        Duration::from_nanos(((steps + step) << doubling) << 10)
    }

    fn record(&self, time: Duration) {
        self.0[Self::bucket(time)].fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self, bucket: usize) -> u64 {
        u64::from(self.0[bucket].load(Ordering::Relaxed))
    }

    fn total(&self) -> u64 {
        (0..BUCKETS).map(|bucket| self.count(bucket)).sum()
    }

    fn clear(&self) {
        for count in &self.0 {
            count.store(0, Ordering::Relaxed);
        }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU32::new(0)))
    }
}

// ===== impl Learned =====

impl Learned {
    pub(super) fn new(
        percentile: f64,
        min_samples: u32,
        window: Duration,
        floor: Duration,
    ) -> Self {
        Self {
            percentile,
            min_samples: min_samples.into(),
            window,
            floor,
            delay: AtomicU64::new(0),
            refresh: AtomicU64::new(0),
            rotate: AtomicU64::new(0),
            current: AtomicUsize::new(0),
            histograms: Default::default(),
        }
    }

    /// The delay, once enough is known.
    #[inline]
    pub(super) fn delay(&self) -> Option<Duration> {
        match self.delay.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// A call was answered at once.
    #[inline]
    pub(super) fn record_at_once(&self) {
        self.current().record(Duration::ZERO);
    }

    /// A call took so long.
    pub(super) fn record(&self, took: Duration, now: Timestamp) {
        self.current().record(took);
        let due = self.refresh.load(Ordering::Relaxed);
        if now.as_nanos() >= due {
            let next = now.after(REFRESH).as_nanos();
            let mine =
                self.refresh
                    .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed);
            if mine.is_ok() {
                self.refresh(now);
            }
        }
    }

    fn current(&self) -> &Histogram {
        &self.histograms[self.current.load(Ordering::Relaxed) & 1]
    }

    /// Takes the percentile, and turns the histograms when it is time. One task at a time does so; what others record
    /// meanwhile may be lost with the old histogram, a few samples of many.
    #[cold]
    fn refresh(&self, now: Timestamp) {
        let [a, b] = &self.histograms;
        let total = a.total() + b.total();
        if total >= self.min_samples {
            let delay = self.quantile(total).max(self.floor);
            let nanos = crate::time::nanos(delay).max(1);
            self.delay.store(nanos, Ordering::Relaxed);
        }
        let rotate = self.rotate.load(Ordering::Relaxed);
        if rotate == 0 {
            let first = now.after(self.window).as_nanos();
            self.rotate.store(first, Ordering::Relaxed);
        } else if now.as_nanos() >= rotate && self.current().total() >= self.min_samples {
            let other = (self.current.load(Ordering::Relaxed) & 1) ^ 1;
            self.histograms[other].clear();
            self.current.store(other, Ordering::Relaxed);
            let next = now.after(self.window).as_nanos();
            self.rotate.store(next, Ordering::Relaxed);
        }
    }

    fn quantile(&self, total: u64) -> Duration {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share of a count
        let rank = ((self.percentile * total as f64).ceil() as u64).max(1);
        let [a, b] = &self.histograms;
        let mut seen = 0;
        for bucket in 0..BUCKETS {
            seen += a.count(bucket) + b.count(bucket);
            if seen >= rank {
                return Histogram::end(bucket);
            }
        }
        Histogram::end(BUCKETS - 1)
    }
}

impl fmt::Debug for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Learned")
            .field("percentile", &self.percentile)
            .field("delay", &self.delay())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(campanile_loom)))]
impl Learned {
    pub(super) const fn bounds(time: Duration) -> (Duration, Duration) {
        let bucket = Histogram::bucket(time);
        let start = match bucket {
            0 => Duration::ZERO,
            bucket => Histogram::end(bucket - 1),
        };
        (start, Histogram::end(bucket))
    }
}
