use std::time::Duration;

use super::super::{
    LoadReport, Probed, View,
    few::{FEW, Few},
};
use crate::{
    sync::{Mutex, lock},
    time::Timestamp,
};

/// How many calls in flight of late reports are remembered.
const HISTORY: usize = 64;

/// A few late reports, asked for ahead of the calls that use them.
///
/// One mutex, held for a walk over sixteen entries that must be seen together: using a report once means to take it out.
/// A call that comes here has three probes sent for it, tasks and messages that cost thousands of times an uncontended
/// lock. Nothing is awaited under it, and nothing called but the strategy's own arithmetic.
pub(in super::super) struct ReportPool {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Oldest first.
    entries: Vec<Entry>,
    worst_next: bool,
    /// Calls in flight as reported of late, round and round.
    history: Vec<u32>,
    newest: usize,
}

struct Entry {
    probed: Probed,
    at: Timestamp,
    uses: u32,
    /// To be removed.
    spent: bool,
}

/// What a pool holds, and for how long.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Limits {
    /// Reports it holds at most.
    pub(in super::super) size: usize,
    /// How old a report may be; `None` for one mean call of its endpoint.
    pub(in super::super) max_age: Option<Duration>,
    /// How many are removed at each pick, the oldest and the worst in turn.
    pub(in super::super) remove: u32,
    /// How often a report is used.
    pub(in super::super) uses: u32,
}

/// A report that a pick may use.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Candidate {
    pub(in super::super) index: usize,
    /// Our own calls in flight.
    pub(in super::super) own: u32,
    pub(in super::super) report: LoadReport,
    /// Where it lies in the pool.
    place: usize,
}

/// The best and the worst of some candidates, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Ranked {
    pub(in super::super) best: usize,
    pub(in super::super) worst: usize,
}

/// How long a report lasts before its endpoint's calls have been timed.
const FIRST_AGE: Duration = Duration::from_secs(1);

// ===== impl ReportPool =====

impl ReportPool {
    pub(in super::super) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner::default()),
        }
    }

    /// Takes reports in; the oldest ones make room. A report replaces an earlier one of the same endpoint.
    pub(in super::super) fn add(&self, answers: Vec<Probed>, now: Timestamp) {
        let mut inner = lock(&self.inner);
        for probed in answers {
            inner.remember(probed.report.in_flight.unwrap_or(0));
            inner
                .entries
                .retain(|entry| !entry.probed.endpoint.is(&probed.endpoint));
            if inner.entries.len() >= FEW {
                inner.entries.remove(0);
            }
            inner.entries.push(Entry {
                probed,
                at: now,
                uses: 0,
                spent: false,
            });
        }
    }

    /// The member of the best report; `None` when fewer than two can be used, and the pick must do without. `rank` gets
    /// the candidates and the calls in flight that were reported of late.
    pub(in super::super) fn pick<T, V: View<T>>(
        &self,
        view: &V,
        limits: Limits,
        rank: impl FnOnce(&[Candidate], &[u32]) -> Ranked,
    ) -> Option<usize> {
        let mut inner = lock(&self.inner);
        let now = view.now();
        inner.entries.retain(|entry| {
            let age = limits.max_age.unwrap_or_else(|| {
                let total = entry.probed.endpoint.measurements().total();
                total.average().unwrap_or(FIRST_AGE)
            });
            now.since(entry.at) <= age
        });
        let over = inner.entries.len().saturating_sub(limits.size);
        inner.entries.drain(..over);
        let mut candidates: Few<Candidate> = Few::new();
        for (place, entry) in inner.entries.iter().enumerate() {
            let index = entry.probed.index;
            // Members may have moved since the probe, and a decorator may show others.
            if index < view.len()
                && entry.probed.endpoint.is(view.endpoint(index))
                && let Some(own) = view.load(index)
            {
                candidates.push(Candidate {
                    index,
                    own,
                    report: entry.probed.report,
                    place,
                });
            }
        }
        if candidates.len() < 2 {
            return None;
        }
        let ranked = rank(&candidates, &inner.history);
        let best = candidates[ranked.best];
        inner.used(best.place, limits.uses);
        for _ in 0..limits.remove {
            inner.shed(candidates[ranked.worst].place);
        }
        inner.entries.retain(|entry| !entry.spent);
        Some(best.index)
    }

    #[cfg(test)]
    pub(in super::super) fn len(&self) -> usize {
        lock(&self.inner).entries.len()
    }
}

// ===== impl Inner =====

impl Inner {
    fn remember(&mut self, in_flight: u32) {
        if self.history.len() < HISTORY {
            self.history.push(in_flight);
        } else {
            self.history[self.newest % HISTORY] = in_flight;
            self.newest += 1;
        }
    }

    /// A call goes where an entry says. Another user of the entry must count it.
    fn used(&mut self, place: usize, uses: u32) {
        let entry = &mut self.entries[place];
        entry.uses += 1;
        entry.spent = entry.uses >= uses;
        if let Some(in_flight) = &mut entry.probed.report.in_flight {
            *in_flight = in_flight.saturating_add(1);
        }
    }

    /// Removes the oldest entry or the worst, in turn, so that neither stale nor bad reports gather.
    fn shed(&mut self, worst: usize) {
        self.worst_next = !self.worst_next;
        let place = if self.worst_next && !self.entries[worst].spent {
            Some(worst)
        } else {
            self.entries.iter().position(|entry| !entry.spent)
        };
        if let Some(place) = place {
            self.entries[place].spent = true;
        }
    }
}
