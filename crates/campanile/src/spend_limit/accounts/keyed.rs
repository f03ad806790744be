use std::{cell::Cell, fmt, hash::Hash};

use crossbeam_utils::CachePadded;

use super::{Absent, Holder, Place, Store};
use crate::{
    keyed::{Census, SHARDS, Table},
    spend_limit::account::Account,
    sync::{Mutex, lock},
};

/// Accounts for each key, of the keys whose period is not over.
///
/// Keys lie in 64 shards, each behind a lock. Each new key looks at a few others and forgets those whose periods are all
/// over, so that no call pays for more. Beyond the most keys that are told apart, new ones have one set of accounts
/// together, or none.
pub struct Keyed<K> {
    shards: Box<[Shard<K>]>,
    /// The accounts of the keys that have no entry.
    rest: Option<Mutex<Entry>>,
    census: Census,
    budgets: usize,
}

/// Alone in its cache lines.
type Shard<K> = CachePadded<Mutex<Table<K, Entry>>>;

struct Entry {
    accounts: Box<[Account<Cell<u64>>]>,
    limits: Option<Box<[Option<u64>]>>,
}

// ===== impl Keyed =====

impl<K: Hash + Eq + Clone> Keyed<K> {
    #[inline]
    fn shard(&self, hash: u64) -> &Mutex<Table<K, Entry>> {
        &self.shards[Census::shard(hash)]
    }

    #[cold]
    fn insert(&self, table: &mut Table<K, Entry>, hash: u64, key: &K, now: u64) -> Option<usize> {
        let entry = Entry::new(self.budgets);
        let rested = |entry: &Entry| entry.has_rested(now);
        let index = self.census.insert(table, hash, key.clone(), entry, rested);
        if index.is_none() {
            let keys = self.census.keys();
            tracing::debug!(keys, "spend limit: no room for a key");
        }
        index
    }
}

impl<K> Store for Keyed<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    type Key = K;
    type Cell = Cell<u64>;

    fn make(budgets: usize, keys: usize, shares: bool) -> Self {
        Self {
            shards: (0..SHARDS)
                .map(|_| CachePadded::new(Mutex::new(Table::new())))
                .collect(),
            rest: shares.then(|| Mutex::new(Entry::new(budgets))),
            census: Census::new(keys),
            budgets,
        }
    }

    #[inline]
    fn visit<R>(
        &self,
        key: &K,
        place: Option<Place>,
        absent: Absent,
        look: impl FnOnce(Holder<'_, Cell<u64>>) -> R,
    ) -> Option<R> {
        if place != Some(Place::Shared) {
            let hash = self.census.hash(key);
            let mut table = lock(self.shard(hash));
            let index = match (table.find(hash, key), absent) {
                (Some(index), _) => Some(index),
                (None, Absent::Enter(now)) => self.insert(&mut table, hash, key, now),
                (None, Absent::Leave) => return None,
            };
            if let Some(index) = index {
                return Some(look(table.at(index).holder(Place::Own)));
            }
        }
        self.beyond(look)
    }

    fn limit(&self, key: &K, now: u64, budget: usize, limit: Option<u64>) -> bool {
        let hash = self.census.hash(key);
        let mut table = lock(self.shard(hash));
        let index = match table.find(hash, key) {
            Some(index) => index,
            None if limit.is_none() => return true,
            None => match self.insert(&mut table, hash, key, now) {
                Some(index) => index,
                None => return false,
            },
        };
        let entry = table.at_mut(index);
        let limits = entry
            .limits
            .get_or_insert_with(|| vec![None; self.budgets].into());
        limits[budget] = limit;
        if limits.iter().all(Option::is_none) {
            entry.limits = None;
        }
        true
    }

    fn each(&self, mut look: impl FnMut(&K, Holder<'_, Cell<u64>>)) {
        for shard in &self.shards {
            for (key, entry) in lock(shard).iter() {
                look(key, entry.holder(Place::Own));
            }
        }
    }

    fn beyond<R>(&self, look: impl FnOnce(Holder<'_, Cell<u64>>) -> R) -> Option<R> {
        let rest = lock(self.rest.as_ref()?);
        Some(look(rest.holder(Place::Shared)))
    }

    fn keys(&self) -> Option<usize> {
        Some(self.census.keys())
    }
}

impl<K> fmt::Debug for Keyed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("census", &self.census)
            .finish_non_exhaustive()
    }
}

// ===== impl Entry =====

impl Entry {
    fn new(budgets: usize) -> Self {
        Self {
            accounts: (0..budgets).map(|_| Account::default()).collect(),
            limits: None,
        }
    }

    #[inline]
    fn holder(&self, place: Place) -> Holder<'_, Cell<u64>> {
        Holder {
            place,
            accounts: &self.accounts,
            limits: self.limits.as_deref(),
        }
    }

    /// One that has limits of its own is kept.
    fn has_rested(&self, now: u64) -> bool {
        self.limits.is_none() && self.accounts.iter().all(|account| account.has_rested(now))
    }
}

#[cfg(test)]
impl<K> Keyed<K> {
    /// How much memory it takes, without what the keys own themselves.
    pub(in crate::spend_limit) fn bytes(&self) -> usize {
        let accounts = size_of::<Account<Cell<u64>>>() * self.budgets;
        let shards = self.shards.iter().map(|shard| {
            let table = lock(shard);
            table.bytes() + table.iter().count() * accounts
        });
        size_of_val(&*self.shards) + shards.sum::<usize>()
    }
}
