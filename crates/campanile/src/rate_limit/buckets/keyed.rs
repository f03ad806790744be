use std::{
    fmt,
    hash::{BuildHasher, Hash},
    task::Waker,
};

use crossbeam_utils::CachePadded;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::{Moment, Place, Queue, Store};
use crate::{
    rate_limit::state::{Cells, Dials, Locked, Order, bucket},
    sync::{AtomicUsize, Mutex, Ordering, lock},
};

/// A bucket for each key, of the keys that do not rest. A key that has rested until its bucket was full again is
/// forgotten: a new one is full too.
///
/// Keys lie in 64 shards, each behind a lock. Each new key looks at a few others and forgets those that have rested, so
/// that no call pays for more. Beyond the most keys that are told apart, new ones share one bucket in each shard: a limit
/// is never exceeded by making up keys, and an old key is not forgotten for a new one.
pub struct Keyed<K> {
    shards: Box<[CachePadded<Mutex<Shard<K>>>]>,
    hasher: RandomState,
    keys: AtomicUsize,
    most: usize,
}

struct Shard<K> {
    /// Places among the entries. Apart from them, since a table is half empty after it has grown, and entries are large.
    places: HashTable<u32>,
    entries: Vec<Entry<K>>,
    /// The bucket of the keys that have no entry.
    rest: Bucket,
    /// Which entry is looked at next.
    hand: usize,
    /// How many calls wait.
    waiting: usize,
}

struct Entry<K> {
    key: K,
    bucket: Bucket,
}

struct Bucket {
    cells: Locked,
    queue: Queue,
}

const SHARDS: usize = 64;

/// How many entries a new key looks at: more than one, so that a shard gets smaller while new keys come.
const LOOKS: usize = 4;

/// The same when there is no room.
const LOOKS_WHEN_FULL: usize = 32;

// ===== impl Keyed =====

impl<K> Keyed<K> {
    /// The shard of a hash. Other bits than those that a table looks at.
    #[inline]
    fn shard(&self, hash: u64) -> &Mutex<Shard<K>> {
        &self.shards[(hash >> 40) as usize % SHARDS]
    }
}

impl<K: Hash + Eq> Keyed<K> {
    /// The bucket of a key; it is made if there is room for it.
    fn bucket<'a>(
        &self,
        shard: &'a mut Shard<K>,
        hash: u64,
        key: &K,
        place: Option<Place>,
        moment: &Moment,
    ) -> (Place, &'a mut Bucket)
    where
        K: Clone,
    {
        if place == Some(Place::Shared) {
            return (Place::Shared, &mut shard.rest);
        }
        let index = match shard.find(hash, key) {
            Some(index) => index,
            None => match self.insert(shard, hash, key, moment) {
                Some(index) => index,
                None => return (Place::Shared, &mut shard.rest),
            },
        };
        (Place::Own, &mut shard.entries[index].bucket)
    }

    #[cold]
    fn insert(&self, shard: &mut Shard<K>, hash: u64, key: &K, moment: &Moment) -> Option<usize>
    where
        K: Clone,
    {
        self.sweep(shard, LOOKS, moment);
        if self.keys.fetch_add(1, Ordering::Relaxed) >= self.most
            && self.sweep(shard, LOOKS_WHEN_FULL, moment) == 0
        {
            let keys = self.keys.fetch_sub(1, Ordering::Relaxed) - 1;
            tracing::debug!(keys, "rate limit: no room for a key, which shares a bucket");
            return None;
        }
        let index = shard.entries.len();
        if index == shard.entries.capacity() {
            // By an eighth: doubling would leave a third empty on average.
            shard.entries.reserve_exact(index / 8 + 8);
        }
        shard.entries.push(Entry {
            key: key.clone(),
            bucket: Bucket::new(),
        });
        let (entries, hasher) = (&shard.entries, &self.hasher);
        shard.places.insert_unique(hash, index as u32, |place| {
            hasher.hash_one(&entries[*place as usize].key)
        });
        Some(index)
    }

    /// Looks at some entries and forgets those that have rested; returns how many.
    fn sweep(&self, shard: &mut Shard<K>, looks: usize, moment: &Moment) -> usize {
        let mut forgotten = 0;
        for _ in 0..looks.min(shard.entries.len()) {
            if shard.hand >= shard.entries.len() {
                shard.hand = 0;
            }
            if shard.entries[shard.hand].bucket.has_rested(moment) {
                self.forget(shard, shard.hand);
                forgotten += 1;
            } else {
                shard.hand += 1;
            }
        }
        if forgotten > 0 {
            self.keys.fetch_sub(forgotten, Ordering::Relaxed);
            shard.shrink(&self.hasher);
        }
        forgotten
    }

    /// Takes an entry out; the last one takes its place.
    fn forget(&self, shard: &mut Shard<K>, index: usize) {
        let hash = |shard: &Shard<K>, index: usize| self.hasher.hash_one(&shard.entries[index].key);
        let gone = hash(shard, index);
        if let Ok(place) = shard
            .places
            .find_entry(gone, |place| *place as usize == index)
        {
            place.remove();
        }
        let last = shard.entries.len() - 1;
        if last != index {
            let moved = hash(shard, last);
            if let Some(place) = shard
                .places
                .find_mut(moved, |place| *place as usize == last)
            {
                *place = index as u32;
            }
        }
        shard.entries.swap_remove(index);
    }
}

impl<K> Store for Keyed<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    type Key = K;

    fn make(keys: usize) -> Self {
        Self {
            shards: (0..SHARDS)
                .map(|_| CachePadded::new(Mutex::new(Shard::new())))
                .collect(),
            hasher: RandomState::default(),
            keys: AtomicUsize::new(0),
            most: keys,
        }
    }

    #[inline]
    fn take(&self, key: &K, dials: &impl Dials, order: &Order<'_>) -> Option<(Place, bool)> {
        let hash = self.hasher.hash_one(key);
        let mut shard = lock(self.shard(hash));
        let (place, bucket) = match shard.find(hash, key) {
            Some(index) => (Place::Own, &shard.entries[index].bucket),
            None => {
                let moment = Moment {
                    gauges: std::array::from_fn(|unit| dials.gauge(unit)),
                    now: order.now,
                };
                let (place, bucket) = self.bucket(&mut shard, hash, key, None, &moment);
                (place, &*bucket)
            }
        };
        if bucket.queue.is_some() {
            return None;
        }
        let empty = bucket::take(&bucket.cells, dials, order)?;
        Some((place, empty))
    }

    fn visit<R>(
        &self,
        key: &K,
        place: Option<Place>,
        moment: &Moment,
        look: impl FnOnce(Place, &dyn Cells, &mut Queue) -> R,
    ) -> R {
        let hash = self.hasher.hash_one(key);
        let mut shard = lock(self.shard(hash));
        let (place, bucket) = self.bucket(&mut shard, hash, key, place, moment);
        let before = bucket.waiting();
        let seen = look(place, &bucket.cells, &mut bucket.queue);
        let after = bucket.waiting();
        shard.waiting = (shard.waiting + after).saturating_sub(before);
        seen
    }

    fn touch(
        &self,
        key: &K,
        place: Place,
        moment: Option<&Moment>,
        change: impl FnOnce(&dyn Cells),
    ) {
        let hash = self.hasher.hash_one(key);
        let mut shard = lock(self.shard(hash));
        if let Some(moment) = moment {
            let (_, bucket) = self.bucket(&mut shard, hash, key, Some(place), moment);
            change(&bucket.cells);
        } else if place == Place::Shared {
            change(&shard.rest.cells);
        } else if let Some(index) = shard.find(hash, key) {
            change(&shard.entries[index].bucket.cells);
        }
    }

    fn wake(&self, key: &K, place: Place) {
        let hash = self.hasher.hash_one(key);
        let mut shard = lock(self.shard(hash));
        if shard.waiting == 0 {
            return;
        }
        let waker = match place {
            Place::Shared => shard.rest.first(),
            Place::Own => shard
                .find(hash, key)
                .and_then(|index| shard.entries[index].bucket.first()),
        };
        drop(shard);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wake_all(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            if shard.waiting == 0 {
                continue;
            }
            let mut wakers: Vec<Waker> = shard.rest.first().into_iter().collect();
            wakers.extend(
                shard
                    .entries
                    .iter_mut()
                    .filter_map(|entry| entry.bucket.first()),
            );
            drop(shard);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    fn waiting(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).waiting).sum()
    }

    fn keys(&self) -> Option<usize> {
        Some(self.keys.load(Ordering::Relaxed))
    }

    fn whole(&self) -> Option<&dyn Cells> {
        None
    }
}

impl<K> fmt::Debug for Keyed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("keys", &self.keys.load(Ordering::Relaxed))
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

// ===== impl Shard =====

impl<K> Shard<K> {
    const fn new() -> Self {
        Self {
            places: HashTable::new(),
            entries: Vec::new(),
            rest: Bucket::new(),
            hand: 0,
            waiting: 0,
        }
    }

    #[inline]
    fn find(&self, hash: u64, key: &K) -> Option<usize>
    where
        K: Eq,
    {
        self.places
            .find(hash, |place| self.entries[*place as usize].key == *key)
            .map(|place| *place as usize)
    }

    /// Gives memory back once three quarters of it are not used.
    fn shrink(&mut self, hasher: &RandomState)
    where
        K: Hash,
    {
        let len = self.entries.len();
        if len >= 16 && len < self.entries.capacity() / 4 {
            self.entries.shrink_to(len * 2);
            let entries = &self.entries;
            self.places.shrink_to(len * 2, |place| {
                hasher.hash_one(&entries[*place as usize].key)
            });
        }
    }
}

// ===== impl Bucket =====

impl Bucket {
    const fn new() -> Self {
        Self {
            cells: bucket::locked(),
            queue: None,
        }
    }

    fn waiting(&self) -> usize {
        self.queue.as_ref().map_or(0, |line| line.len())
    }

    fn first(&mut self) -> Option<Waker> {
        self.queue.as_mut()?.first()
    }

    fn has_rested(&self, moment: &Moment) -> bool {
        self.queue.is_none() && bucket::is_full(&self.cells, &moment.gauges, moment.now)
    }
}

#[cfg(test)]
impl<K> Keyed<K> {
    /// How much memory it takes, without what the keys own themselves.
    pub(in crate::rate_limit) fn bytes(&self) -> usize {
        let own = size_of_val(&*self.shards);
        let shards = self.shards.iter().map(|shard| {
            let shard = lock(shard);
            shard.places.allocation_size() + shard.entries.capacity() * size_of::<Entry<K>>()
        });
        own + shards.sum::<usize>()
    }
}
