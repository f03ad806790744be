use std::{fmt, sync::Arc};

use tokio::sync::{oneshot, watch};

use super::{
    CheckResult, HealthConfig, HealthSnapshot, HealthState, HealthStatus, HealthSummary,
    OutlierHandle, shared::Shared,
};
use crate::{
    collect::{Collect, Metric, Sink, Value},
    sync::Ordering,
    time::Timestamp,
};

static ENDPOINTS: Metric = Metric::new("health_endpoints", "Endpoints in each state of health.");
static CHECKS: Metric = Metric::new("health_checks", "Checks that have ended, by their result.");
static SKIPPED: Metric = Metric::new(
    "health_checks_skipped",
    "Checks that did not run when they were due, since they cost money.",
);
static CHECKING: Metric = Metric::new("health_checks_running", "Checks under way.");
static OVERDUE: Metric = Metric::new(
    "health_checks_overdue",
    "Endpoints whose check is due and has not begun.",
);
static TRANSITIONS: Metric = Metric::new(
    "health_transitions",
    "How often the health of an endpoint has changed, by what it became.",
);
static PANICKING: Metric = Metric::new(
    "health_panicking",
    "Whether too few endpoints are fit, so that all are used: 1 or 0.",
);

/// The health of a layer's endpoints, in the hand. Clones are the same. It keeps nothing alive: when the pool is dropped
/// there are no endpoints any more.
///
/// Every look is at the present: it asks nobody and waits for nothing but a lock that is held for moments. An endpoint shows
/// as soon as the layer's task has heard of it.
#[derive(Clone)]
pub struct HealthHandle {
    pub(super) shared: Arc<Shared>,
}

// ===== impl HealthHandle =====

impl HealthHandle {
    /// The health of one endpoint; `None` if there is none of this key.
    #[must_use]
    pub fn status(&self, key: &str) -> Option<HealthStatus> {
        let entry = self.shared.get(key)?;
        Some(entry.status(Timestamp::now()))
    }

    /// The health of each endpoint, in the order of the keys.
    #[must_use]
    pub fn statuses(&self) -> Vec<HealthStatus> {
        let now = Timestamp::now();
        let entries = self.shared.entries();
        entries.iter().map(|entry| entry.status(now)).collect()
    }

    /// How many endpoints are in which state.
    #[must_use]
    pub fn summary(&self) -> HealthSummary {
        self.shared.summary()
    }

    /// Everything that is known.
    #[must_use]
    pub fn snapshot(&self) -> HealthSnapshot {
        HealthSnapshot {
            summary: self.summary(),
            panicking: self.is_panicking(),
            checking: self.shared.counts.checking.load(Ordering::Relaxed),
            overdue: self.shared.overdue(Timestamp::now()),
            endpoints: self.statuses(),
            outliers: self.outliers().map(|outliers| outliers.snapshot()),
        }
    }

    /// Whether too few endpoints are fit, so that all are used.
    #[must_use]
    pub fn is_panicking(&self) -> bool {
        self.shared.fleet.is_panicking()
    }

    /// The outliers, if the layer [ejects](super::HealthLayer::outliers) any.
    #[must_use]
    pub fn outliers(&self) -> Option<OutlierHandle> {
        self.shared.outliers()
    }

    /// Follows the transitions, and who joins and leaves.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<HealthSummary> {
        self.shared.watch()
    }

    /// Checks an endpoint before all others that are due, switched off or not, and tells its health afterwards. A check
    /// that is under way is waited for. If checks cost money and nothing is left of the cap, there is none now, and the
    /// health is as it was.
    ///
    /// `None` if there is no endpoint of this key, or it leaves meanwhile. Dropping the future leaves the check to run.
    pub async fn check_now(&self, key: &str) -> Option<HealthStatus> {
        let entry = self.shared.get(key)?;
        let (ask, asked) = oneshot::channel();
        entry.requests.send((entry.id, ask)).ok()?;
        asked.await.ok()?;
        Some(entry.status(Timestamp::now()))
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> HealthConfig {
        self.shared.config
    }
}

impl Collect for HealthHandle {
    fn collect(&self, sink: &mut dyn Sink) {
        let counts = &self.shared.counts;
        let mut summary = self.summary();
        for state in HealthState::ALL {
            let endpoints = Value::Gauge(*summary.count(state) as f64);
            sink.sample(&ENDPOINTS, Some(("state", state.name())), endpoints);
        }
        for (result, count) in CheckResult::ALL.iter().zip(&counts.results) {
            let checks = Value::Counter(count.load(Ordering::Relaxed) as f64);
            sink.sample(&CHECKS, Some(("result", result.name())), checks);
        }
        for (state, count) in [
            (HealthState::Healthy, &counts.turned_healthy),
            (HealthState::Unhealthy, &counts.turned_unhealthy),
        ] {
            let turns = Value::Counter(count.load(Ordering::Relaxed) as f64);
            sink.sample(&TRANSITIONS, Some(("to", state.name())), turns);
        }
        sink.counter(&SKIPPED, counts.skipped.load(Ordering::Relaxed) as f64);
        sink.gauge(&CHECKING, counts.checking.load(Ordering::Relaxed) as f64);
        sink.gauge(&OVERDUE, self.shared.overdue(Timestamp::now()) as f64);
        sink.gauge(&PANICKING, f64::from(u8::from(self.is_panicking())));
        if let Some(outliers) = self.outliers() {
            outliers.collect(sink);
        }
    }
}

impl fmt::Debug for HealthHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthHandle")
            .field("summary", &self.summary())
            .field("panicking", &self.is_panicking())
            .finish_non_exhaustive()
    }
}
