//! What the handle and the monitors of a layer share.

use std::{collections::BTreeMap, fmt, sync::Arc};

use tokio::sync::watch;

use super::{
    CheckResult, Fleet, HealthConfig, HealthSummary, OutlierHandle, Transition,
    cap::Cap,
    entry::{Entry, Finding},
    state::{HealthState, Turn},
};
use crate::{
    sync::{AtomicU64, AtomicUsize, Mutex, Ordering, lock},
    time::Timestamp,
};

/// The health of all members, for whoever asks.
pub(super) struct Shared {
    pub(super) config: HealthConfig,
    pub(super) fleet: Fleet,
    /// Where checks cost money. Of the layer and not of a monitor: pools that come later, or beside, do not begin anew.
    cap: Option<Mutex<Cap>>,
    pub(super) counts: Counts,
    members: Mutex<BTreeMap<Box<str>, Arc<Entry>>>,
    outliers: Mutex<Option<OutlierHandle>>,
    summary: watch::Sender<HealthSummary>,
}

/// Counts of the checks of all endpoints.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// By [`CheckResult::ALL`].
    pub(super) results: [AtomicU64; CheckResult::ALL.len()],
    pub(super) skipped: AtomicU64,
    pub(super) checking: AtomicUsize,
    pub(super) turned_healthy: AtomicU64,
    pub(super) turned_unhealthy: AtomicU64,
}

/// A check under way, counted.
pub(super) struct Checking(Arc<Shared>);

// ===== impl Shared =====

impl Shared {
    pub(super) fn new(config: HealthConfig, paid: bool) -> Self {
        Self {
            config,
            fleet: Fleet::new(config.panic_threshold),
            cap: config
                .paid_per_hour
                .filter(|_| paid)
                .map(|per_hour| Mutex::new(Cap::new(per_hour))),
            counts: Counts::default(),
            members: Mutex::default(),
            outliers: Mutex::default(),
            summary: watch::Sender::default(),
        }
    }

    /// From when on another check may be paid for; `None` where checks cost nothing.
    pub(super) fn cap_free_at(&self) -> Option<Timestamp> {
        Some(lock(self.cap.as_ref()?).free_at())
    }

    /// Pays for a check, unless nothing is left of the cap.
    pub(super) fn pay(&self, now: Timestamp) -> bool {
        self.cap.as_ref().is_none_or(|cap| lock(cap).take(now))
    }

    pub(super) fn join(&self, entry: &Arc<Entry>) {
        let key = entry.endpoint.key().into();
        lock(&self.members).insert(key, Arc::clone(entry));
        self.summary
            .send_modify(|summary| *summary.count(HealthState::Unknown) += 1);
    }

    pub(super) fn leave(&self, entry: &Arc<Entry>) {
        let mut members = lock(&self.members);
        let key = entry.endpoint.key();
        if members
            .get(key)
            .is_some_and(|known| Arc::ptr_eq(known, entry))
        {
            members.remove(key);
        }
        drop(members);
        let (state, _) = entry.state();
        self.summary
            .send_modify(|summary| *summary.count(state) -= 1);
    }

    /// Whoever ejects outliers beside the probes.
    pub(super) fn outliers(&self) -> Option<OutlierHandle> {
        lock(&self.outliers).clone()
    }

    pub(super) fn set_outliers(&self, outliers: OutlierHandle) {
        *lock(&self.outliers) = Some(outliers);
    }

    pub(super) fn get(&self, key: &str) -> Option<Arc<Entry>> {
        lock(&self.members).get(key).cloned()
    }

    /// All members, in the order of their keys.
    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        lock(&self.members).values().cloned().collect()
    }

    /// How many checks are due and have not begun.
    pub(super) fn overdue(&self, now: Timestamp) -> usize {
        let entries = self.entries();
        entries.iter().filter(|entry| entry.is_overdue(now)).count()
    }

    pub(super) fn watch(&self) -> watch::Receiver<HealthSummary> {
        self.summary.subscribe()
    }

    pub(super) fn summary(&self) -> HealthSummary {
        self.summary.borrow().clone()
    }

    pub(super) fn checking(self: &Arc<Self>) -> Checking {
        self.counts.checking.fetch_add(1, Ordering::Relaxed);
        Checking(Arc::clone(self))
    }

    /// Takes what became of a check, counts it, and tells of it if it changed the endpoint's state.
    pub(super) fn record(&self, entry: &Entry, finding: Finding, now: Timestamp) -> Option<Turn> {
        let (result, turned) = entry.record(finding, &self.config, now);
        let index = CheckResult::ALL.iter().position(|known| *known == result);
        if let Some(count) = index.and_then(|index| self.counts.results.get(index)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let (turn, message) = turned?;
        self.turned(entry, turn, &message, now);
        Some(turn)
    }

    fn turned(&self, entry: &Entry, turn: Turn, message: &str, now: Timestamp) {
        let Turn { from, to, checks } = turn;
        let count = match to {
            HealthState::Unhealthy => &self.counts.turned_unhealthy,
            _ => &self.counts.turned_healthy,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let endpoint = entry.endpoint.key();
        let transition = Transition {
            endpoint: endpoint.to_owned(),
            from,
            to,
            checks,
            message: message.to_owned(),
            at: now,
        };
        self.summary.send_modify(|summary| {
            *summary.count(from) -= 1;
            *summary.count(to) += 1;
            summary.latest = Some(transition);
            summary.transitions += 1;
        });
        let (from, to) = (from.name(), to.name());
        if turn.to == HealthState::Unhealthy {
            tracing::warn!(endpoint, from, to, checks, reason = message, "health");
        } else {
            tracing::info!(endpoint, from, to, checks, reason = message, "health");
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .field("summary", &*self.summary.borrow())
            .finish_non_exhaustive()
    }
}

// ===== impl Checking =====

impl Drop for Checking {
    fn drop(&mut self) {
        self.0.counts.checking.fetch_sub(1, Ordering::Relaxed);
    }
}
