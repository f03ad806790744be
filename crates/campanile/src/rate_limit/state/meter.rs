use super::Rate;
use crate::{
    sync::{AtomicU64, Ordering, fence},
    time::Timestamp,
};

/// What a meter is set to. A bucket owes what it has given out beyond what the meter shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauge {
    /// When the rate was set last, and what the meter showed then.
    pub(crate) since: Timestamp,
    pub(crate) base: u64,
    pub(crate) rate: Rate,
    /// In parts of a unit.
    pub(crate) burst: u64,
}

/// A clock that runs in units instead of nanoseconds: it shows how much has been due since the beginning, in parts of a
/// unit. All buckets of a limiter are measured against one meter for each unit, so that a change of rate or burst is one
/// write, however many keys there are, and neither forgives nor adds a debt.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Odd while it is being set.
    version: AtomicU64,
    since: AtomicU64,
    base: AtomicU64,
    factor: AtomicU64,
    shift: AtomicU64,
    burst: AtomicU64,
    scale: u32,
}

// ===== impl Gauge =====

impl Gauge {
    /// What the meter shows at `now`.
    #[inline]
    pub(crate) fn value(&self, now: Timestamp) -> u64 {
        let elapsed = now.as_nanos().saturating_sub(self.since.as_nanos());
        self.base.wrapping_add(self.rate.run(elapsed))
    }

    /// When it shows `value` at the earliest, not before `now`.
    pub(crate) fn when(&self, value: u64, now: Timestamp) -> Timestamp {
        let ahead = value.wrapping_sub(self.base);
        if ahead.cast_signed() <= 0 {
            return now;
        }
        let nanos = self
            .since
            .as_nanos()
            .saturating_add(self.rate.time_for(ahead));
        Timestamp::from_nanos(nanos).max(now)
    }

    /// The same with another rate and burst from `now` on.
    pub(crate) fn change(&self, rate: Rate, burst: u64, now: Timestamp) -> Self {
        Self {
            since: now.max(self.since),
            base: self.value(now),
            rate,
            burst,
        }
    }
}

// ===== impl Meter =====

impl Meter {
    pub(crate) fn new(rate: Rate, burst: u64, scale: u32) -> Self {
        let (factor, shift) = rate.parts();
        Self {
            version: AtomicU64::new(0),
            since: AtomicU64::new(0),
            base: AtomicU64::new(0),
            factor: AtomicU64::new(factor),
            shift: AtomicU64::new(u64::from(shift)),
            burst: AtomicU64::new(burst << scale),
            scale,
        }
    }

    /// How finely a unit is divided, as a power of two.
    #[inline]
    pub(crate) const fn scale(&self) -> u32 {
        self.scale
    }

    /// So many units, in parts.
    #[inline]
    pub(crate) const fn parts(&self, units: u64) -> u64 {
        if units >= 1 << (61 - self.scale) {
            1 << 61
        } else {
            units << self.scale
        }
    }

    /// What it is set to, unless it is being set right now.
    ///
    /// # Correctness
    ///
    /// A sequence lock: the version is read before and after. The acquire fence keeps the second read behind those of
    /// the settings, and pairs with the release fence in [`set`](Self::set): whoever saw a new setting sees a new version.
    #[inline]
    pub(crate) fn try_read(&self) -> Option<Gauge> {
        let version = self.version.load(Ordering::Acquire);
        let gauge = Gauge {
            since: Timestamp::from_nanos(self.since.load(Ordering::Relaxed)),
            base: self.base.load(Ordering::Relaxed),
            rate: Rate::from_parts(
                self.factor.load(Ordering::Relaxed),
                (self.shift.load(Ordering::Relaxed) & 127) as u32,
            ),
            burst: self.burst.load(Ordering::Relaxed),
        };
        fence(Ordering::Acquire);
        (version & 1 == 0 && version == self.version.load(Ordering::Relaxed)).then_some(gauge)
    }

    /// Sets it. One writer at a time: the caller holds the lock of the settings.
    pub(crate) fn set(&self, gauge: Gauge) {
        let version = self.version.load(Ordering::Relaxed);
        let (factor, shift) = gauge.rate.parts();
        self.version.store(version | 1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.since.store(gauge.since.as_nanos(), Ordering::Relaxed);
        self.base.store(gauge.base, Ordering::Relaxed);
        self.factor.store(factor, Ordering::Relaxed);
        self.shift.store(u64::from(shift), Ordering::Relaxed);
        self.burst.store(gauge.burst, Ordering::Relaxed);
        self.version
            .store((version | 1).wrapping_add(1), Ordering::Release);
    }
}
