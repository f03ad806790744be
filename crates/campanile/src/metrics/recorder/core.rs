//! What all lanes pass their records on to.

use std::sync::OnceLock;

use super::{
    aggregate::Aggregate,
    lane::Lane,
    record::{self, Record},
};
use crate::{
    context::Repeat,
    metrics::Refusals,
    rejection::{Rejection, RejectionKind},
    sync::{AtomicU64, Mutex, Ordering::Relaxed, lock},
    time::Timestamp,
};

/// How many kinds of refusals are counted without a lock.
const REFUSALS: usize = 16;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) since: Timestamp,
    pub(super) aggregate: Mutex<Aggregate>,
    pub(super) retries: AtomicU64,
    pub(super) hedges: AtomicU64,
    pub(super) fallbacks: AtomicU64,
    refusals: OnceLock<Box<[Refused; REFUSALS]>>,
}

/// How often a layer refused for a reason.
#[derive(Debug, Default)]
struct Refused {
    by: OnceLock<(&'static str, RejectionKind)>,
    count: AtomicU64,
}

// ===== impl Core =====

impl Core {
    pub(super) fn new(latest: usize, since: Timestamp) -> Self {
        Self {
            since,
            aggregate: Mutex::new(Aggregate::new(latest)),
            retries: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
            fallbacks: AtomicU64::new(0),
            refusals: OnceLock::new(),
        }
    }

    /// Fetches a lane's records, unless somebody else is at the aggregate.
    #[inline(never)]
    pub(super) fn try_fetch(&self, lane: &Lane, now: Timestamp) {
        if let Ok(mut aggregate) = self.aggregate.try_lock() {
            let now = record::tick(now);
            lane.fetch(|record| aggregate.take(record, now));
        }
    }

    /// Takes a record for which its lane has no room.
    #[cold]
    pub(super) fn take(&self, lane: &Lane, record: Record, now: Timestamp) {
        let now = record::tick(now);
        let mut aggregate = lock(&self.aggregate);
        lane.fetch(|record| aggregate.take(record, now));
        aggregate.take(record, now);
    }

    /// Counts another attempt.
    pub(super) fn repeat(&self, repeat: Repeat) {
        let count = match repeat {
            Repeat::Retry => &self.retries,
            Repeat::Hedge => &self.hedges,
            Repeat::Fallback => &self.fallbacks,
        };
        count.fetch_add(1, Relaxed);
    }

    /// Counts a refusal.
    pub(super) fn refuse(&self, rejection: &Rejection) {
        let by = (rejection.layer(), rejection.kind());
        let table = self.refusals.get_or_init(Box::default);
        match table
            .iter()
            .find(|refused| *refused.by.get_or_init(|| by) == by)
        {
            Some(refused) => {
                refused.count.fetch_add(1, Relaxed);
            }
            None => {
                let refusals = &mut lock(&self.aggregate).refusals;
                match refusals
                    .iter_mut()
                    .find(|refused| (refused.layer, refused.kind) == by)
                {
                    Some(refused) => refused.count += 1,
                    None => refusals.push(Refusals {
                        layer: by.0,
                        kind: by.1,
                        count: 1,
                    }),
                }
            }
        }
    }

    /// Those of the table.
    pub(super) fn refusals(&self) -> impl Iterator<Item = Refusals> {
        let table = self
            .refusals
            .get()
            .into_iter()
            .flat_map(|table| table.iter());
        table.filter_map(|refused| {
            let (layer, kind) = *refused.by.get()?;
            let count = refused.count.load(Relaxed);
            Some(Refusals { layer, kind, count })
        })
    }

    /// What lies elsewhere for it, in bytes.
    pub(super) fn memory(&self) -> usize {
        let table = self
            .refusals
            .get()
            .map_or(0, |_| size_of::<[Refused; REFUSALS]>());
        table + lock(&self.aggregate).memory()
    }
}
