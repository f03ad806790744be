use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use campanile::collect::{Collect, Metric, Sink};
use campanile::config::Invalid;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    CacheConfig,
    flight::{Flight, Reader},
    key::Key,
    store::{Kept, Store},
};

/// Answers and calls that all services of the handle share. Clones are the same.
#[derive(Clone)]
pub struct CacheHandle {
    pub(super) shared: Arc<Shared>,
}

/// What a [`CacheHandle`] holds and has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CacheSnapshot {
    /// Calls answered from what was kept.
    pub hits: u64,
    /// Calls that went through.
    pub misses: u64,
    /// Calls that joined one under way.
    pub joined: u64,
    /// Answers that are kept.
    pub answers: usize,
    /// What they take, in bytes, about.
    pub bytes: u64,
    /// Calls that are under way.
    pub under_way: usize,
}

pub(super) struct Shared {
    pub(super) store: Store,
    flights: Mutex<HashMap<Key, Arc<Flight>>>,
    hits: AtomicU64,
    misses: AtomicU64,
    joined: AtomicU64,
}

/// A place in a flight.
pub(super) enum Place {
    /// In one that is under way.
    Joined(Reader),
    /// In a new one, which is to begin.
    First(Arc<Flight>, Reader),
    /// In none: the answer has been kept meanwhile.
    Kept(Box<Kept>),
}

// ===== impl CacheHandle =====

impl CacheHandle {
    /// An empty cache.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: CacheConfig) -> Result<Self, Invalid> {
        Ok(Self {
            shared: Arc::new(Shared {
                store: Store::new(config.build()?),
                flights: Mutex::default(),
                hits: AtomicU64::new(0),
                misses: AtomicU64::new(0),
                joined: AtomicU64::new(0),
            }),
        })
    }

    /// What it holds and has done.
    #[must_use]
    pub fn snapshot(&self) -> CacheSnapshot {
        let shared = &*self.shared;
        CacheSnapshot {
            hits: shared.hits.load(Ordering::Relaxed),
            misses: shared.misses.load(Ordering::Relaxed),
            joined: shared.joined.load(Ordering::Relaxed),
            answers: shared.store.len(),
            bytes: shared.store.bytes(),
            under_way: shared.flights().len(),
        }
    }

    /// Forgets every answer. Calls that are under way go on, and are kept.
    pub fn clear(&self) {
        self.shared.store.clear();
    }
}

static HITS: Metric = Metric::new("cache_hits", "Calls answered from what was kept.");
static MISSES: Metric = Metric::new("cache_misses", "Calls that went through the cache.");
static JOINED: Metric = Metric::new("cache_joined", "Calls that joined one under way.");
static ANSWERS: Metric = Metric::new("cache_answers", "Answers that are kept.");
static BYTES: Metric = Metric::new("cache_bytes", "What the answers that are kept take.");

impl Collect for CacheHandle {
    fn collect(&self, sink: &mut dyn Sink) {
        let snapshot = self.snapshot();
        sink.counter(&HITS, snapshot.hits as f64);
        sink.counter(&MISSES, snapshot.misses as f64);
        sink.counter(&JOINED, snapshot.joined as f64);
        sink.gauge(&ANSWERS, snapshot.answers as f64);
        sink.gauge(&BYTES, snapshot.bytes as f64);
    }
}

impl fmt::Debug for CacheHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

// ===== impl Shared =====

impl Shared {
    fn flights(&self) -> MutexGuard<'_, HashMap<Key, Arc<Flight>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// A place in the flight of this key.
    pub(super) fn board(&self, key: Key, now: Instant) -> Place {
        let mut flights = self.flights();
        let entry = flights.entry(key);
        if let Entry::Occupied(flight) = &entry
            && let Some(reader) = flight.get().join()
        {
            self.joined.fetch_add(1, Ordering::Relaxed);
            return Place::Joined(reader);
        }
        // A flight that landed since the answer was looked for has left it there, before it could not be joined any more.
        if let Some(kept) = self.store.get(&key, now) {
            self.hit();
            return Place::Kept(Box::new(kept));
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let (flight, reader) = Flight::begin();
        entry.insert_entry(Arc::clone(&flight));
        Place::First(flight, reader)
    }

    /// A flight is over.
    pub(super) fn landed(&self, key: &Key, flight: &Arc<Flight>) {
        let mut flights = self.flights();
        if flights
            .get(key)
            .is_some_and(|known| Arc::ptr_eq(known, flight))
        {
            flights.remove(key);
        }
    }
}
