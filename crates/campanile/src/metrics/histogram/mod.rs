//! Durations, counted in buckets whose width is 1/64 of where they lie.

use std::time::Duration;

use crate::time::nanos;

pub(super) mod bucket;
pub(super) mod slots;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

use bucket::{bucket, middle};

/// How often which durations were seen.
///
/// A duration is known to within 0.8 % from 2 µs to 1.2 hours (4,398 s), and to within 32 ns below; a longer one counts as
/// 1.2 hours. That bound holds for everything that is told: quantiles, extremes, the sum and the mean. Counts are exact.
/// Only the buckets that something fell into take memory.
///
/// ```
/// use campanile::metrics::Histogram;
/// use std::time::Duration;
///
/// let histogram: Histogram = (1..=100).map(Duration::from_millis).collect();
/// let p95 = histogram.quantile(0.95).unwrap().as_secs_f64();
/// assert!((p95 / 0.095 - 1.0).abs() < 0.008);
/// assert_eq!(histogram.count(), 100);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Buckets that are not empty, in ascending order.
    counts: Vec<(u16, u64)>,
}

// ===== impl Histogram =====

impl Histogram {
    /// What stands at most between a duration of 2 µs to 1.2 hours and what is told of it, as a share of it.
    pub const ERROR: f64 = 1.0 / 128.0;

    /// Counts a duration.
    pub fn record(&mut self, duration: Duration) {
        self.add(bucket(nanos(duration)), 1);
    }

    fn add(&mut self, bucket: u16, count: u64) {
        match self.counts.binary_search_by_key(&bucket, |entry| entry.0) {
            Ok(at) => self.counts[at].1 += count,
            Err(at) => self.counts.insert(at, (bucket, count)),
        }
    }

    /// Counts more of a bucket behind all others.
    pub(super) fn push(&mut self, bucket: u16, count: u64) {
        debug_assert!(self.counts.last().is_none_or(|last| last.0 < bucket));
        self.counts.push((bucket, count));
    }

    /// The buckets that are not empty, in ascending order.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (u16, u64)> {
        self.counts.iter().copied()
    }

    /// How many durations were seen.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|entry| entry.1).sum()
    }

    /// Whether none was seen.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// All of them together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        duration(self.nanos())
    }

    fn nanos(&self) -> u128 {
        self.buckets()
            .map(|(bucket, count)| u128::from(middle(bucket)) * u128::from(count))
            .sum()
    }

    /// The mean; `None` when nothing was seen.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let nanos = self.nanos().checked_div(u128::from(self.count()))?;
        // No more than the longest.
        u64::try_from(nanos).ok().map(Duration::from_nanos)
    }

    /// The shortest; `None` when nothing was seen.
    #[must_use]
    pub fn min(&self) -> Option<Duration> {
        self.counts.first().map(|entry| told(entry.0))
    }

    /// The longest; `None` when nothing was seen.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        self.counts.last().map(|entry| told(entry.0))
    }

    /// The duration that a share of `quantile` (0 to 1) did not exceed; `None` when nothing was seen. It is one that was
    /// seen, by its nearest rank, and not one between two.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )] // a rank: at least 1, and at most the count, beyond 2^53 to within what nobody can tell
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let count = self.count();
        let rank = ((quantile * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let reaches = |entry: &&(u16, u64)| {
            seen += entry.1;
            seen >= rank
        };
        self.counts.iter().find(reaches).map(|entry| told(entry.0))
    }

    /// How many were at most as long as each of `bounds`, which are in ascending order. Those within 0.8 % of a bound may
    /// be on either side.
    #[must_use]
    pub fn cumulative(&self, bounds: &[Duration]) -> Vec<u64> {
        let mut rest = self.counts.iter().peekable();
        let mut count = 0;
        let up_to = |bound: &Duration| {
            let bound = nanos(*bound);
            while let Some(entry) = rest.next_if(|entry| middle(entry.0) <= bound) {
                count += entry.1;
            }
            count
        };
        bounds.iter().map(up_to).collect()
    }

    /// Adds what `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        if self.is_empty() {
            self.counts.clone_from(&other.counts);
            return;
        }
        let mut merged = Vec::with_capacity(self.counts.len().max(other.counts.len()));
        let (mut ours, mut theirs) = (self.buckets().peekable(), other.buckets().peekable());
        loop {
            let entry = match (ours.peek(), theirs.peek()) {
                (Some(our), Some(their)) if our.0 == their.0 => (our.0, our.1 + their.1),
                (Some(our), Some(their)) => *our.min(their),
                (Some(entry), None) | (None, Some(entry)) => *entry,
                (None, None) => break,
            };
            ours.next_if(|our| our.0 == entry.0);
            theirs.next_if(|their| their.0 == entry.0);
            merged.push(entry);
        }
        drop((ours, theirs));
        self.counts = merged;
    }

    /// The same in the `hdrhistogram` crate's type, in nanoseconds at three significant figures, for whoever works on with
    /// that.
    ///
    /// # Panics
    ///
    /// Never: the type grows as it must.
    #[must_use]
    pub fn to_hdr(&self) -> hdrhistogram::Histogram<u64> {
        let Ok(mut histogram) = hdrhistogram::Histogram::new(3) else {
            unreachable!("three significant figures can be had");
        };
        for (bucket, count) in self.buckets() {
            let Ok(()) = histogram.record_n(middle(bucket), count) else {
                unreachable!("it grows");
            };
        }
        histogram
    }
}

impl Extend<Duration> for Histogram {
    fn extend<I: IntoIterator<Item = Duration>>(&mut self, durations: I) {
        for duration in durations {
            self.record(duration);
        }
    }
}

impl FromIterator<Duration> for Histogram {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut histogram = Self::default();
        histogram.extend(durations);
        histogram
    }
}

/// So many nanoseconds.
fn duration(nanos: u128) -> Duration {
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    #[allow(clippy::cast_possible_truncation)] // a remainder
    Duration::new(seconds, (nanos % 1_000_000_000) as u32)
}

/// What is told of a duration in a bucket.
const fn told(bucket: u16) -> Duration {
    Duration::from_nanos(middle(bucket))
}
