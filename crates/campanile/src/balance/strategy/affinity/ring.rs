//! A ring of points for pools too large to score every member.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use super::{
    super::{
        View,
        hash::{GOLDEN, mix},
    },
    AffinityConfig, has_room,
};
use crate::time::nanos;

/// How many points a member has whose weight is the unit, a power of two just below the mean weight.
const POINTS: f64 = 4.0;
/// What a member has at most.
const MOST_POINTS: f64 = 4096.0;
/// How many places a key looks at first; the nearest point is its own.
const NEAREST: usize = 8;
/// How many places it looks at in all, when those are full. While load is bounded, a fifth of the pool has room, so
/// that many looks in vain are rarer than one in a million.
const PLACES: u64 = 64;
/// How many members are looked at for the open share of the pool.
const SAMPLE: usize = 64;
/// How long that share is believed.
const BELIEVED: Duration = Duration::from_millis(50);

pub(super) struct Ring {
    /// In order: a place of 2^32, then the member's index, 32 bits each.
    points: Box<[u64]>,
    /// The first point at or after the beginning of each equal part of the ring.
    parts: Box<[u32]>,
    part_bits: u32,
    weights: f64,
    /// The bits of an `f32`: the share of the weight that is open. Both written as they come, by whoever comes: an
    /// estimate.
    open: AtomicU32,
    looked: AtomicU64,
}

// ===== impl Ring =====

impl Ring {
    pub(super) fn new(hashes: &[u64], weight: impl Fn(usize) -> f32) -> Self {
        let weights: f64 = (0..hashes.len())
            .map(|index| f64::from(weight(index)))
            .sum();
        // A power of two, so that it stays when one of many members leaves, and with it everyone's points.
        let unit = (weights / hashes.len().max(1) as f64).log2().floor().exp2();
        let mut points = Vec::with_capacity(hashes.len() * POINTS as usize * 2);
        for (index, hash) in hashes.iter().enumerate() {
            let count = (f64::from(weight(index)) / unit * POINTS)
                .round()
                .clamp(1.0, MOST_POINTS);
            points.extend((0..count as u64).map(|nth| place(*hash, nth) << 32 | index as u64));
        }
        points.sort_unstable();
        let part_bits = points.len().next_power_of_two().trailing_zeros().min(31);
        let mut parts = Vec::with_capacity(1 << part_bits);
        for part in 0..1_u64 << part_bits {
            let mut first = parts.last().copied().unwrap_or(0);
            let begin = part << (64 - part_bits - 1) << 1;
            while points
                .get(first as usize)
                .is_some_and(|point| *point < begin)
            {
                first += 1;
            }
            parts.push(first);
        }
        Self {
            points: points.into(),
            parts: parts.into(),
            part_bits,
            weights,
            open: AtomicU32::new(1_f32.to_bits()),
            looked: AtomicU64::new(0),
        }
    }

    /// The key's first choice that has room.
    pub(super) fn find<V: View<()>>(
        &self,
        view: &V,
        key: u64,
        config: &AffinityConfig,
        total: impl FnOnce() -> f64,
    ) -> Option<usize> {
        let unit =
            (1.0 + config.epsilon) * (total() + 1.0) / (self.weights * self.open_share(view));
        let room = |index: usize| {
            // A table may be older than the view.
            let seen = if index < view.len() {
                view.glance(index)?
            } else {
                return None;
            };
            has_room(seen.load, unit * f64::from(seen.weight), config.floor).then_some(index)
        };
        let mut nearest: [u64; NEAREST] =
            std::array::from_fn(|nth| self.next(place(key, nth as u64)));
        nearest.sort_unstable();
        nearest
            .into_iter()
            .chain((NEAREST as u64..PLACES).map(|nth| self.next(place(key, nth))))
            .find_map(|point| room((point & u64::from(u32::MAX)) as usize))
            .or_else(|| {
                let start = view.random(view.len());
                (start..view.len()).chain(0..start).find_map(room)
            })
    }

    /// The first point at or after a place: the distance, then the member's index.
    #[inline]
    fn next(&self, place: u64) -> u64 {
        let part = (place >> 1 >> (31 - self.part_bits)) as usize;
        let mut nth = self.parts[part] as usize;
        while self
            .points
            .get(nth)
            .is_some_and(|point| point >> 32 < place)
        {
            nth += 1;
        }
        let point = self.points[if nth < self.points.len() { nth } else { 0 }];
        point.wrapping_sub(place << 32)
    }

    /// The share of the pool's weight that is open, looked up now and then.
    fn open_share<V: View<()>>(&self, view: &V) -> f64 {
        let looked = self.looked.load(Ordering::Relaxed);
        let now = view.now().as_nanos();
        if now.saturating_sub(looked) > nanos(BELIEVED) {
            self.looked.store(now, Ordering::Relaxed);
            self.look(view);
        }
        f64::from(f32::from_bits(self.open.load(Ordering::Relaxed)))
    }

    #[cold]
    fn look<V: View<()>>(&self, view: &V) {
        let (mut open, mut all) = (0.0, 0.0);
        for _ in 0..SAMPLE {
            let index = view.random(view.len());
            all += view.weight(index);
            if view.load(index).is_some() {
                open += view.weight(index);
            }
        }
        // Never nothing: a bound that is far too high is still a bound.
        let share = (open / all).max(1.0 / SAMPLE as f32);
        self.open.store(share.to_bits(), Ordering::Relaxed);
    }
}

/// The `nth` place of a hash, of 2^32.
#[inline]
fn place(hash: u64, nth: u64) -> u64 {
    mix(hash ^ nth.wrapping_mul(GOLDEN)) >> 32
}
