//! Which members have read which beginnings of prompts.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use campanile::time::Timestamp;

/// Entries in a bucket: a line of the cache.
pub(super) const WAYS: usize = 8;

/// Stamps within the time after which an entry is forgotten.
const STAMPS: u16 = 64;

/// A bounded table without locks. An entry is one number: 32 bits of a hash, the member, and when it was seen last. Each bucket
/// of eight forgets the entry that was not seen for the longest time; a look is at one line of the cache. What two threads
/// write at once into one place is lost for one of them, which costs a cache miss at most, as does a hash that is mistaken for
/// another.
pub(super) struct Index {
    buckets: Box<[Bucket]>,
    /// Nanoseconds of one stamp.
    unit: u64,
}

#[derive(Default)]
#[repr(align(64))]
struct Bucket([AtomicU64; WAYS]);

// ===== impl Index =====

impl Index {
    /// For so many entries, rounded up to a power of two.
    pub(super) fn new(entries: usize, forget: Duration) -> Self {
        let buckets = entries.div_ceil(WAYS).next_power_of_two();
        let forget = u64::try_from(forget.as_nanos()).unwrap_or(u64::MAX);
        Self {
            buckets: (0..buckets).map(|_| Bucket::default()).collect(),
            unit: (forget / u64::from(STAMPS)).max(1),
        }
    }

    /// From 1 on: 0 is an empty place.
    fn stamp(&self, now: Timestamp) -> u16 {
        (now.as_nanos() / self.unit % u64::from(u16::MAX)) as u16 + 1
    }

    fn bucket(&self, hash: u64) -> &Bucket {
        &self.buckets[hash as usize & (self.buckets.len() - 1)]
    }

    /// Tells the members that have read this beginning.
    pub(super) fn holders(&self, hash: u64, now: Timestamp, mut tell: impl FnMut(u16)) {
        let stamp = self.stamp(now);
        for place in &self.bucket(hash).0 {
            let entry = place.load(Ordering::Relaxed);
            if entry >> 32 == hash >> 32 && entry != 0 && age(stamp, entry) <= STAMPS {
                tell((entry >> 16) as u16);
            }
        }
    }

    /// Notes that a member reads it.
    pub(super) fn note(&self, hash: u64, member: u16, now: Timestamp) {
        let stamp = self.stamp(now);
        let entry = (hash >> 32 << 32) | u64::from(member) << 16 | u64::from(stamp);
        let bucket = &self.bucket(hash).0;
        let mut oldest = (0, None);
        for place in bucket {
            let present = place.load(Ordering::Relaxed);
            if present >> 16 == entry >> 16 {
                if present != entry {
                    place.store(entry, Ordering::Relaxed);
                }
                return;
            }
            let age = match present {
                0 => u32::MAX,
                present => u32::from(age(stamp, present)) + 1,
            };
            if age > oldest.0 {
                oldest = (age, Some(place));
            }
        }
        if let (_, Some(place)) = oldest {
            place.store(entry, Ordering::Relaxed);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.buckets.len() * WAYS
    }
}

/// How many stamps ago an entry was seen.
fn age(stamp: u16, entry: u64) -> u16 {
    stamp.wrapping_sub(entry as u16)
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("entries", &self.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::conversation::mix;

    const FORGET: Duration = Duration::from_secs(64);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(1_000_000_000_000).after(Duration::from_secs(seconds))
    }

    fn holders(index: &Index, hash: u64, now: Timestamp) -> Vec<u16> {
        let mut members = Vec::new();
        index.holders(hash, now, |member| members.push(member));
        members.sort_unstable();
        members
    }

    #[test]
    fn who_has_read_it_is_known_until_it_is_forgotten() {
        let index = Index::new(64, FORGET);
        let hash = mix(1);
        index.note(hash, 3, at(0));
        index.note(hash, 5, at(40));
        index.note(hash, 5, at(40));
        assert_eq!(holders(&index, hash, at(41)), [3, 5]);
        assert_eq!(holders(&index, hash, at(70)), [5]);
        assert_eq!(holders(&index, hash, at(140)), [0; 0]);
        index.note(hash, 3, at(141));
        assert_eq!(holders(&index, hash, at(142)), [3]);
        assert_eq!(holders(&index, mix(2), at(142)), [0; 0]);
    }

    #[test]
    fn of_a_full_bucket_the_oldest_goes() {
        let index = Index::new(WAYS, FORGET);
        for member in 0..10 {
            index.note(mix(7), member, at(u64::from(member)));
        }
        assert_eq!(holders(&index, mix(7), at(10)), [2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let index = Index::new(1_000, FORGET);
        assert_eq!(index.len(), 1_024);
        for nth in 0..100_000 {
            index.note(mix(nth), nth as u16, at(0));
        }
        let known = (99_000..100_000)
            .filter(|nth| !holders(&index, mix(*nth), at(0)).is_empty())
            .count();
        assert!((1..=1_000).contains(&known), "{known}");
    }

    #[test]
    fn threads_share_it() {
        let index = Index::new(32_768, FORGET);
        std::thread::scope(|scope| {
            for member in 0..4 {
                let index = &index;
                scope.spawn(move || (0..1_000).for_each(|nth| index.note(mix(nth), member, at(0))));
            }
        });
        let found: usize = (0..1_000)
            .map(|nth| holders(&index, mix(nth), at(0)).len())
            .sum();
        assert!(found > 3_900, "{found}");
    }
}
