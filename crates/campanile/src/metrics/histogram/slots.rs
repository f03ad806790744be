//! Durations, counted by whether they exceed a few bounds: what a text tells of a histogram.

use std::time::Duration;

use super::{
    bucket::{BUCKETS, middle},
    duration,
};
use crate::time::nanos;

/// Bounds, and below which of them each bucket lies.
#[derive(Debug)]
pub(in crate::metrics) struct Slots {
    /// The place of the first bound that a bucket's durations do not exceed, or how many bounds there are.
    slots: Box<[u8]>,
    bounds: usize,
}

/// How many durations lie between bounds, and their sum.
#[derive(Debug, Clone, Default)]
pub(in crate::metrics) struct Slotted {
    /// One more than there are bounds; none when nothing was seen.
    counts: Box<[u64]>,
    nanos: u128,
}

// ===== impl Slots =====

impl Slots {
    /// The bounds are in ascending order, and 255 at most.
    #[allow(clippy::cast_possible_truncation)] // so few bounds
    pub(in crate::metrics) fn new(bounds: &[Duration]) -> Self {
        let slot = |bucket| bounds.partition_point(|bound| nanos(*bound) < middle(bucket)) as u8;
        Self {
            slots: (0..BUCKETS).map(slot).collect(),
            bounds: bounds.len(),
        }
    }
}

// ===== impl Slotted =====

impl Slotted {
    #[inline]
    pub(in crate::metrics) fn add(&mut self, slots: &Slots, bucket: u16, count: u64) {
        if self.counts.is_empty() {
            self.counts = vec![0; slots.bounds + 1].into();
        }
        self.counts[usize::from(slots.slots[usize::from(bucket)])] += count;
        self.nanos += u128::from(middle(bucket)) * u128::from(count);
    }

    /// How many durations were seen.
    pub(in crate::metrics) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    pub(in crate::metrics) fn sum(&self) -> Duration {
        duration(self.nanos)
    }

    /// How many were at most as long as each of so many bounds.
    pub(in crate::metrics) fn cumulative(&self, bounds: usize) -> impl Iterator<Item = u64> {
        let counts = self.counts.iter().copied().chain(std::iter::repeat(0));
        let up_to = |sum: &mut u64, count| {
            *sum += count;
            Some(*sum)
        };
        counts.scan(0, up_to).take(bounds)
    }
}
