//! What all lanes pass their records on to.

use std::sync::{Arc, OnceLock};

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
    repeats: Repeats,
    /// Those that the endpoints of a stage have seen, where anybody records for them.
    within: OnceLock<Arc<Repeats>>,
    /// Those of the stage that an endpoint belongs to.
    stage: Option<Arc<Repeats>>,
    refusals: OnceLock<Box<[Refused; REFUSALS]>>,
}

/// Attempts beside the first.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    retries: AtomicU64,
    hedges: AtomicU64,
    fallbacks: AtomicU64,
}

/// How often a layer refused for a reason.
#[derive(Debug, Default)]
struct Refused {
    by: OnceLock<(&'static str, RejectionKind)>,
    count: AtomicU64,
}

// ===== impl Repeats =====

impl Repeats {
    fn count(&self, repeat: Repeat) {
        let count = match repeat {
            Repeat::Retry => &self.retries,
            Repeat::Hedge => &self.hedges,
            Repeat::Fallback => &self.fallbacks,
        };
        count.fetch_add(1, Relaxed);
    }

    fn counted(&self) -> [u64; 3] {
        [&self.retries, &self.hedges, &self.fallbacks].map(|count| count.load(Relaxed))
    }
}

// ===== impl Core =====

impl Core {
    pub(super) fn new(latest: usize, since: Timestamp, stage: Option<Arc<Repeats>>) -> Self {
        Self {
            since,
            aggregate: Mutex::new(Aggregate::new(latest)),
            repeats: Repeats::default(),
            within: OnceLock::new(),
            stage,
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
        self.repeats.count(repeat);
        if let Some(stage) = &self.stage {
            stage.count(repeat);
        }
    }

    /// Retries, hedges and fallbacks: those that it has seen itself, or that its endpoints have, whatever is more. Whoever
    /// stands outside of the layers that make them sees none, and whoever stands within sees what the endpoints see.
    pub(super) fn repeats(&self) -> [u64; 3] {
        let seen = self.repeats.counted();
        match self.within.get() {
            Some(within) => {
                let within = within.counted();
                std::array::from_fn(|at| seen[at].max(within[at]))
            }
            None => seen,
        }
    }

    /// Where its endpoints count theirs.
    pub(super) fn within(&self) -> &Arc<Repeats> {
        self.within.get_or_init(Arc::default)
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
        let within = self
            .within
            .get()
            .map_or(0, |_| 2 * size_of::<usize>() + size_of::<Repeats>());
        table + within + lock(&self.aggregate).memory()
    }
}
