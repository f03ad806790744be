//! What is known of one member.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::{
    CheckResult, HealthConfig, HealthStatus, MemberId, Report, Verdict,
    state::{HealthState, State, Turn},
};
use crate::{
    endpoint::Endpoint,
    sync::{Mutex, lock},
    time::Timestamp,
};

/// Asks a monitor to check a member now; answered when that is done.
pub(super) type Request = (MemberId, oneshot::Sender<()>);

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

    /// Takes what became of a check: its result, and if it changed the state, how, and what the check said.
    pub(super) fn record(
        &self,
        finding: Finding,
        config: &HealthConfig,
        now: Timestamp,
    ) -> (CheckResult, Option<(Turn, Cow<'static, str>)>) {
        let (result, verdict) = finding.result();
        let last = finding.into_last(result, now);
        let message = last.message.clone();
        let mut record = lock(&self.record);
        record.checks += 1;
        record.last = Some(last);
        let turn = record.state.record(verdict, config, now);
        (result, turn.map(|turn| (turn, message)))
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

    /// Whether its check is due and has not begun.
    pub(super) fn is_overdue(&self, now: Timestamp) -> bool {
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
