//! What layers keep by key: bounded, in shards, and what has rested is forgotten.

use std::{
    fmt,
    hash::{BuildHasher, Hash},
};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::sync::{AtomicUsize, Ordering};

/// How many shards there are, each behind a lock of its owner's.
pub(crate) const SHARDS: usize = 64;

/// How many entries a new key looks at: more than one, so that a shard gets smaller while new keys come.
const LOOKS: usize = 4;

/// The same when there is no room.
const LOOKS_WHEN_FULL: usize = 32;

/// The values of one shard.
pub(crate) struct Table<K, V> {
    /// Places among the entries. Apart from them, since a table is half empty after it has grown, and entries are large.
    places: HashTable<u32>,
    entries: Vec<Entry<K, V>>,
    /// Which entry is looked at next.
    hand: usize,
}

struct Entry<K, V> {
    key: K,
    value: V,
}

/// What all shards share: how keys are hashed, and how many there are.
pub(crate) struct Census {
    hasher: RandomState,
    keys: AtomicUsize,
    most: usize,
}

// ===== impl Census =====

impl Census {
    /// Of at most `most` keys.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            hasher: RandomState::default(),
            keys: AtomicUsize::new(0),
            most,
        }
    }

    /// How many keys there are.
    pub(crate) fn keys(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn hash(&self, key: &impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The shard of a hash. Other bits than those that a table looks at.
    #[inline]
    pub(crate) const fn shard(hash: u64) -> usize {
        (hash >> 40) as usize % SHARDS
    }

    /// Makes room for a key that is not there, and puts it there; `None` when there is no room, although some of those that
    /// have `rested` were forgotten. A key is never forgotten for another before it has rested.
    #[cold]
    pub(crate) fn insert<K: Hash, V>(
        &self,
        table: &mut Table<K, V>,
        hash: u64,
        key: K,
        value: V,
        rested: impl Fn(&V) -> bool,
    ) -> Option<usize> {
        self.sweep(table, LOOKS, &rested);
        if self.keys.fetch_add(1, Ordering::Relaxed) >= self.most
            && self.sweep(table, LOOKS_WHEN_FULL, &rested) == 0
        {
            self.keys.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(table.push(hash, key, value, &self.hasher))
    }

    /// Looks at some entries and forgets those that have rested; returns how many.
    fn sweep<K: Hash, V>(
        &self,
        table: &mut Table<K, V>,
        looks: usize,
        rested: impl Fn(&V) -> bool,
    ) -> usize {
        let mut forgotten = 0;
        for _ in 0..looks.min(table.entries.len()) {
            if table.hand >= table.entries.len() {
                table.hand = 0;
            }
            if rested(&table.entries[table.hand].value) {
                table.forget(table.hand, &self.hasher);
                forgotten += 1;
            } else {
                table.hand += 1;
            }
        }
        if forgotten > 0 {
            self.keys.fetch_sub(forgotten, Ordering::Relaxed);
            table.shrink(&self.hasher);
        }
        forgotten
    }
}

impl fmt::Debug for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Census")
            .field("keys", &self.keys())
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

// ===== impl Table =====

impl<K, V> Table<K, V> {
    pub(crate) const fn new() -> Self {
        Self {
            places: HashTable::new(),
            entries: Vec::new(),
            hand: 0,
        }
    }

    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &K) -> Option<usize>
    where
        K: Eq,
    {
        self.places
            .find(hash, |place| self.entries[*place as usize].key == *key)
            .map(|place| *place as usize)
    }

    #[inline]
    pub(crate) fn at(&self, index: usize) -> &V {
        &self.entries[index].value
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, index: usize) -> &mut V {
        &mut self.entries[index].value
    }

    // Not every layer that keeps something by key looks at all of it.
    #[allow(dead_code)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|entry| (&entry.key, &entry.value))
    }

    #[allow(dead_code)] // as above
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|entry| &mut entry.value)
    }

    fn push(&mut self, hash: u64, key: K, value: V, hasher: &RandomState) -> usize
    where
        K: Hash,
    {
        let index = self.entries.len();
        if index == self.entries.capacity() {
            // By an eighth: doubling would leave a third empty on average.
            self.entries.reserve_exact(index / 8 + 8);
        }
        self.entries.push(Entry { key, value });
        let entries = &self.entries;
        self.places.insert_unique(hash, index as u32, |place| {
            hasher.hash_one(&entries[*place as usize].key)
        });
        index
    }

    /// Takes an entry out; the last one takes its place.
    fn forget(&mut self, index: usize, hasher: &RandomState)
    where
        K: Hash,
    {
        let gone = hasher.hash_one(&self.entries[index].key);
        if let Ok(place) = self
            .places
            .find_entry(gone, |place| *place as usize == index)
        {
            place.remove();
        }
        let last = self.entries.len() - 1;
        if last != index {
            let moved = hasher.hash_one(&self.entries[last].key);
            if let Some(place) = self.places.find_mut(moved, |place| *place as usize == last) {
                *place = index as u32;
            }
        }
        self.entries.swap_remove(index);
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

    /// How much memory it takes, without what keys and values own themselves.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.places.allocation_size() + self.entries.capacity() * size_of::<Entry<K, V>>()
    }
}
