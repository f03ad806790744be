//! What the handle and the monitors of a layer share.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    CheckResult, Fleet, HealthConfig, HealthStatus, HealthSummary, MemberId, OutlierHandle, Report,
    Transition, Verdict,
    cap::Cap,
    state::{HealthState, State, Turn},
};
use crate::{
    endpoint::Endpoint,
    sync::{AtomicU64, AtomicUsize, Mutex, Ordering, lock},
    time::Timestamp,
};

/// Asks a monitor to check a member now; answered when that is done.
pub(super) type Request = (MemberId, oneshot::Sender<()>);

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

/// One member. Its own lock, so that nobody waits for whoever reads all of them.
pub(super) struct Entry {
    pub(super) id: MemberId,
    pub(super) endpoint: Endpoint,
    pub(super) requests: mpsc::UnboundedSender<Request>,
    record: Mutex<Record>,
}

/// What is known of one member.
struct Record {
    state: State,
    last: Option<Last>,
    next: Timestamp,
    checking: bool,
    checks: u64,
    skipped: u64,
}

/// The latest check.
struct Last {
    at: Timestamp,
    result: CheckResult,
    took: Option<Duration>,
    message: Cow<'static, str>,
    metrics: Vec<(Cow<'static, str>, f64)>,
}

/// What became of a check, with what it said.
pub(super) enum Finding {
    /// The probe's report, and how long it took.
    Report(Report, Duration),
    TimedOut(Cow<'static, str>),
    Panicked(String),
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
        let state = lock(&entry.record).state.state();
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
        let (result, verdict) = finding.result();
        let index = CheckResult::ALL.iter().position(|known| *known == result);
        if let Some(count) = index.and_then(|index| self.counts.results.get(index)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let last = finding.into_last(result, now);
        let message = last.message.clone();
        let turn = {
            let mut record = lock(&entry.record);
            record.checks += 1;
            record.last = Some(last);
            record.state.record(verdict, &self.config, now)
        }?;
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

// ===== impl Entry =====

impl Entry {
    pub(super) fn new(
        id: MemberId,
        endpoint: Endpoint,
        requests: mpsc::UnboundedSender<Request>,
        now: Timestamp,
    ) -> Self {
        let record = Record {
            state: State::new(now),
            last: None,
            next: now,
            checking: false,
            checks: 0,
            skipped: 0,
        };
        Self {
            id,
            endpoint,
            requests,
            record: Mutex::new(record),
        }
    }

    /// A check begins.
    pub(super) fn begin(&self) {
        lock(&self.record).checking = true;
    }

    /// No check is under way; the next is due then.
    pub(super) fn plan(&self, next: Timestamp) {
        let mut record = lock(&self.record);
        record.checking = false;
        record.next = next;
    }

    /// A check did not run.
    pub(super) fn skip(&self, next: Timestamp) {
        let mut record = lock(&self.record);
        record.skipped += 1;
        record.next = next;
    }

    fn is_overdue(&self, now: Timestamp) -> bool {
        let record = lock(&self.record);
        !record.checking && record.next < now
    }

    /// Its state, and how many checks have ended.
    pub(super) fn state(&self) -> (HealthState, u64) {
        let record = lock(&self.record);
        (record.state.state(), record.checks)
    }

    pub(super) fn status(&self, now: Timestamp) -> HealthStatus {
        let record = lock(&self.record);
        let last = record.last.as_ref();
        let state = &record.state;
        HealthStatus {
            endpoint: self.endpoint.key().to_owned(),
            state: state.state(),
            since: now.since(state.since()).as_secs_f64(),
            result: last.map(|last| last.result),
            last_check: last.map(|last| now.since(last.at).as_secs_f64()),
            message: last.map_or_else(String::new, |last| last.message.to_string()),
            response_time: last
                .and_then(|last| last.took)
                .map(|took| took.as_secs_f64()),
            metrics: last.map_or_else(BTreeMap::new, Last::metrics),
            error_rate: state.error_rate(),
            failures: state.failures(),
            successes: state.successes(),
            checks: record.checks,
            skipped: record.skipped,
            checking: record.checking,
            next_check: (!record.checking).then(|| record.next.since(now).as_secs_f64()),
        }
    }
}

// ===== impl Finding =====

impl Finding {
    fn result(&self) -> (CheckResult, Verdict) {
        match self {
            Self::Report(report, _) => match report.verdict {
                Verdict::Healthy => (CheckResult::Healthy, Verdict::Healthy),
                Verdict::Unhealthy => (CheckResult::Unhealthy, Verdict::Unhealthy),
                Verdict::Unknown => (CheckResult::Unknown, Verdict::Unknown),
            },
            Self::TimedOut(_) => (CheckResult::TimedOut, Verdict::Unhealthy),
            Self::Panicked(_) => (CheckResult::Panicked, Verdict::Unhealthy),
        }
    }

    fn into_last(self, result: CheckResult, at: Timestamp) -> Last {
        let (report, took) = match self {
            Self::Report(report, took) => (report, Some(took)),
            Self::TimedOut(message) => (Report::unhealthy(message), None),
            Self::Panicked(message) => (Report::unhealthy(message), None),
        };
        let Report {
            message, metrics, ..
        } = report.bounded();
        Last {
            at,
            result,
            took,
            message,
            metrics,
        }
    }
}

// ===== impl Last =====

impl Last {
    fn metrics(&self) -> BTreeMap<String, f64> {
        self.metrics
            .iter()
            .filter(|(_, value)| value.is_finite())
            .map(|(name, value)| (name.to_string(), *value))
            .collect()
    }
}

// ===== impl Checking =====

impl Drop for Checking {
    fn drop(&mut self) {
        self.0.counts.checking.fetch_sub(1, Ordering::Relaxed);
    }
}
