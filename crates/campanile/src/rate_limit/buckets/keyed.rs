use std::{fmt, hash::Hash, task::Waker};

use crossbeam_utils::CachePadded;

use super::{Moment, Place, Queue, Store};
use crate::{
    keyed::{Census, SHARDS, Table},
    rate_limit::state::{Cells, Dials, Locked, Order, bucket},
    sync::{Mutex, lock},
};

/// A bucket for each key, of the keys that do not rest. A key that has rested until its bucket was full again is
/// forgotten: a new one is full too.
///
/// Keys lie in 64 shards, each behind a lock. Each new key looks at a few others and forgets those that have rested, so
/// that no call pays for more. Beyond the most keys that are told apart, new ones share one bucket in each shard: a limit
/// is never exceeded by making up keys, and an old key is not forgotten for a new one.
pub struct Keyed<K> {
    shards: Box<[CachePadded<Mutex<Shard<K>>>]>,
    census: Census,
}

struct Shard<K> {
    table: Table<K, Bucket>,
    /// The bucket of the keys that have no entry.
    rest: Bucket,
    /// How many calls wait.
    waiting: usize,
}

struct Bucket {
    cells: Locked,
    queue: Queue,
}

// ===== impl Keyed =====

impl<K> Keyed<K> {
    #[inline]
    fn shard(&self, hash: u64) -> &Mutex<Shard<K>> {
        &self.shards[Census::shard(hash)]
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
        let index = match shard.table.find(hash, key) {
            Some(index) => index,
            None => match self.insert(shard, hash, key, moment) {
                Some(index) => index,
                None => return (Place::Shared, &mut shard.rest),
            },
        };
        (Place::Own, shard.table.at_mut(index))
    }

    #[cold]
    fn insert(&self, shard: &mut Shard<K>, hash: u64, key: &K, moment: &Moment) -> Option<usize>
    where
        K: Clone,
    {
        let rested = |bucket: &Bucket| bucket.has_rested(moment);
        let place = self
            .census
            .insert(&mut shard.table, hash, key.clone(), Bucket::new(), rested);
        if place.is_none() {
            let keys = self.census.keys();
            tracing::debug!(keys, "rate limit: no room for a key, which shares a bucket");
        }
        place
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
            census: Census::new(keys),
        }
    }

    #[inline]
    fn take(&self, key: &K, dials: &impl Dials, order: &Order<'_>) -> Option<(Place, bool)> {
        let hash = self.census.hash(key);
        let mut shard = lock(self.shard(hash));
        let (place, bucket) = match shard.table.find(hash, key) {
            Some(index) => (Place::Own, shard.table.at(index)),
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
        let hash = self.census.hash(key);
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
        let hash = self.census.hash(key);
        let mut shard = lock(self.shard(hash));
        if let Some(moment) = moment {
            let (_, bucket) = self.bucket(&mut shard, hash, key, Some(place), moment);
            change(&bucket.cells);
        } else if place == Place::Shared {
            change(&shard.rest.cells);
        } else if let Some(index) = shard.table.find(hash, key) {
            change(&shard.table.at(index).cells);
        }
    }

    fn wake(&self, key: &K, place: Place) {
        let hash = self.census.hash(key);
        let mut shard = lock(self.shard(hash));
        if shard.waiting == 0 {
            return;
        }
        let waker = match place {
            Place::Shared => shard.rest.first(),
            Place::Own => shard
                .table
                .find(hash, key)
                .and_then(|index| shard.table.at_mut(index).first()),
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
            wakers.extend(shard.table.values_mut().filter_map(Bucket::first));
            drop(shard);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    fn waiting(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).waiting).sum()
    }

    fn keys(&self) -> Option<usize> {
        Some(self.census.keys())
    }

    fn whole(&self) -> Option<&dyn Cells> {
        None
    }
}

impl<K> fmt::Debug for Keyed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("census", &self.census)
            .finish_non_exhaustive()
    }
}

// ===== impl Shard =====

impl<K> Shard<K> {
    const fn new() -> Self {
        Self {
            table: Table::new(),
            rest: Bucket::new(),
            waiting: 0,
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
        let shards = self.shards.iter().map(|shard| lock(shard).table.bytes());
        own + shards.sum::<usize>()
    }
}
