use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use crossbeam_utils::CachePadded;

use crate::time::Timestamp;

/// Lets one caller through now and then, and costs the others a plain read. Callers that race may all get through.
#[derive(Debug, Default)]
pub(super) struct Pace(CachePadded<AtomicU64>);

/// An `f64` that threads share, for estimates; 0 at first.
#[derive(Default)]
pub(super) struct Float(AtomicU64);

/// Beyond this the series in [`decay`] is no longer exact to some thousandths.
const SERIES: f64 = 0.5;

// ===== impl Pace =====

impl Pace {
    /// Whether it is time again; the next time is in `seconds`.
    #[inline]
    pub(super) fn due(&self, now: Timestamp, seconds: impl FnOnce() -> f64) -> bool {
        if now.as_nanos() < self.0.load(Ordering::Relaxed) {
            return false;
        }
        self.start(now, seconds());
        true
    }

    fn start(&self, now: Timestamp, seconds: f64) {
        let next = now.as_nanos().saturating_add((seconds * 1e9) as u64);
        self.0.store(next, Ordering::Relaxed);
    }
}

/// How often, in seconds, one of `members` is looked at, so that each has its turn about four times in `time`, though
/// never more than 1,024 looks are taken in that time.
pub(super) fn turn(time: f64, members: usize) -> f64 {
    time / (4 * members).clamp(4, 1024) as f64
}

/// Seconds from `earlier` to `now`, 0 when time seems to have stepped back between two processors.
#[inline]
pub(super) fn seconds(earlier: Timestamp, now: Timestamp) -> f64 {
    now.as_nanos().saturating_sub(earlier.as_nanos()) as f64 * 1e-9
}

/// `exp(-x)` and `1 - exp(-x)`; the latter exact for small `x`, where the former is nearly 1.
#[inline]
pub(super) fn decay(x: f64) -> (f64, f64) {
    if x > SERIES {
        let kept = (-x).exp();
        return (kept, 1.0 - kept);
    }
    // exp(x) - 1, to the third power.
    let grown = x * (1.0 + x * (0.5 + x / 6.0));
    let kept = 1.0 / (1.0 + grown);
    (kept, grown * kept)
}

/// The number now.
#[inline]
pub(super) fn load(number: &Float) -> f64 {
    f64::from_bits(number.0.load(Ordering::Relaxed))
}

/// Another number. A plain store: of two at once, one is lost.
#[inline]
pub(super) fn store(number: &Float, value: f64) {
    number.0.store(value.to_bits(), Ordering::Relaxed);
}

// ===== impl Float =====

impl fmt::Debug for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        load(self).fmt(f)
    }
}
