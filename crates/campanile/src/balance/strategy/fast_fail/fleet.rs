use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::FastFailConfig;
use crate::{
    balance::strategy::pace::{Float, load, store},
    endpoint::{Endpoint, Reason},
    time::{Timestamp, nanos},
};

/// The weight of the newest sample in the mean call.
const NEWEST: f64 = 0.125;

/// What the guards of one pool share: the mean call, and how many endpoints are ejected.
///
/// The mutex is taken when an endpoint is ejected, tried or back in service, and by no call that succeeds.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    members: AtomicUsize,
    next_id: AtomicU64,
    /// Nanoseconds, 0 while unknown.
    mean_call: Float,
    ejected: Mutex<Ejected>,
}

/// Who is out of service at the moment.
#[derive(Debug, Default)]
struct Ejected {
    members: BTreeMap<u64, Absent>,
    /// No place is free before that.
    next_look: Timestamp,
}

#[derive(Debug)]
struct Absent {
    endpoint: Endpoint,
    until: Timestamp,
}

// ===== impl Fleet =====

impl Fleet {
    pub(super) fn join(&self) -> u64 {
        // The next pick knows better; until then nobody is ejected from an empty pool.
        self.members.fetch_add(1, Ordering::Relaxed);
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// How many members a pick sees.
    #[inline]
    pub(super) fn sees(&self, members: usize) {
        if self.members.load(Ordering::Relaxed) != members {
            self.members.store(members, Ordering::Relaxed);
        }
    }

    /// The mean time of a successful call; `None` before the first.
    pub(super) fn mean_call(&self) -> Option<Duration> {
        match load(&self.mean_call) {
            0.0 => None,
            mean => Some(Duration::from_nanos(mean as u64)),
        }
    }

    /// An endpoint's mean call, told now and then. A sample that is lost between two cores is not missed.
    pub(super) fn sample(&self, mean_call: Duration) {
        let sample = (nanos(mean_call) as f64).max(1.0);
        let mean = load(&self.mean_call);
        let mean = if mean > 0.0 {
            mean + NEWEST * (sample - mean)
        } else {
            sample
        };
        store(&self.mean_call, mean);
    }

    /// Takes a place among those that may be out of service at once, or keeps it; `false` when none is free.
    pub(super) fn take_place(
        &self,
        id: u64,
        endpoint: &Endpoint,
        until: Timestamp,
        now: Timestamp,
        config: &FastFailConfig,
    ) -> bool {
        let most = (self.members.load(Ordering::Relaxed) as f64 * config.max_ejected) as usize;
        let mut ejected = self.lock();
        if let Some(absent) = ejected.members.get_mut(&id) {
            absent.until = until;
            ejected.next_look = ejected.next_look.min(until);
            return true;
        }
        if ejected.members.len() >= most && now >= ejected.next_look {
            ejected.forget(now, config.min_ejection);
        }
        if ejected.members.len() >= most {
            return false;
        }
        ejected.next_look = ejected.next_look.min(until);
        let endpoint = endpoint.clone();
        ejected.members.insert(id, Absent { endpoint, until });
        true
    }

    /// Keeps a place until then at the latest.
    pub(super) fn hold_until(&self, id: u64, until: Timestamp) {
        let mut ejected = self.lock();
        if let Some(absent) = ejected.members.get_mut(&id) {
            absent.until = until;
            ejected.next_look = ejected.next_look.min(until);
        }
    }

    /// Gives a place back.
    pub(super) fn leave_place(&self, id: u64) {
        let absent = self.lock().members.remove(&id);
        // Not under the lock: it may be the last handle.
        drop(absent);
    }

    /// How many are out of service.
    pub(super) fn ejected(&self) -> usize {
        self.lock().members.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ejected> {
        self.ejected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// ===== impl Ejected =====

impl Ejected {
    /// Frees the places of those whose time is over, and of those that are leaving the pool: a snapshot of members that
    /// somebody holds may keep their states alive for long.
    fn forget(&mut self, now: Timestamp, pause: Duration) {
        self.members.retain(|_, absent| {
            absent.until > now && !absent.endpoint.gate().is_closed_for(Reason::Draining, now)
        });
        let first = self.members.values().map(|absent| absent.until).min();
        self.next_look = first.unwrap_or(now).min(now.after(pause));
    }
}
