//! What can be seen of the health of endpoints, in a form that can be serialised.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{OutlierSnapshot, state::HealthState};
use crate::time::Timestamp;

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CheckResult {
    /// The probe found the endpoint healthy.
    Healthy,
    /// It found it unhealthy.
    Unhealthy,
    /// It could not tell. Changes nothing.
    Unknown,
    /// It did not answer in time. Counts as unhealthy.
    TimedOut,
    /// It panicked. Counts as unhealthy: nobody knows that the endpoint is well.
    Panicked,
}

/// The health of one endpoint at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HealthStatus {
    /// The endpoint's key.
    pub endpoint: String,
    /// Whether it is healthy. Whether it takes calls is its gate's to say.
    pub state: HealthState,
    /// Seconds since it came to be in that state.
    pub since: f64,
    /// What became of the latest check; `None` before the first has ended.
    pub result: Option<CheckResult>,
    /// Seconds since the latest check ended.
    pub last_check: Option<f64>,
    /// What the latest check said, for people; may be empty.
    pub message: String,
    /// Seconds that the latest check took; `None` if it did not answer.
    pub response_time: Option<f64>,
    /// What the latest check measured, by name. What is no finite number is left out.
    pub metrics: BTreeMap<String, f64>,
    /// The share of the latest 64 checks that failed, those that could not tell aside.
    pub error_rate: Option<f64>,
    /// Bad checks in a row.
    pub failures: u32,
    /// Good checks in a row.
    pub successes: u32,
    /// Checks that have ended.
    pub checks: u64,
    /// Checks that did not run when they were due: the cap on paid checks was used up, or an operator had switched the
    /// endpoint off and the check would have cost money.
    pub skipped: u64,
    /// Whether a check is under way.
    pub checking: bool,
    /// Seconds until the next check is due; `None` while one is under way. It begins later while as many as may run are
    /// under way, or others were waiting for the cap before.
    pub next_check: Option<f64>,
}

/// The health of all endpoints at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HealthSnapshot {
    /// How many endpoints are in which state.
    pub summary: HealthSummary,
    /// Whether too few are fit, so that all are used.
    pub panicking: bool,
    /// Checks under way.
    pub checking: usize,
    /// Endpoints whose check is due and has not begun: now and then a few; many, again and again, where more is to be
    /// checked than [`max_concurrent`](super::HealthConfig::max_concurrent) or the cap on paid checks allows.
    pub overdue: usize,
    /// Each endpoint, in the order of the keys.
    pub endpoints: Vec<HealthStatus>,
    /// The outliers, if any are ejected by the same layer.
    pub outliers: Option<OutlierSnapshot>,
}

/// How many endpoints are in which state: what can be watched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HealthSummary {
    /// Endpoints of which nobody knows.
    pub unknown: usize,
    /// Healthy ones.
    pub healthy: usize,
    /// Unhealthy ones.
    pub unhealthy: usize,
    /// The latest transition.
    pub latest: Option<Transition>,
    /// Counts the transitions, so that one that was missed shows.
    pub transitions: u64,
}

/// An endpoint's health has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Transition {
    /// The endpoint's key.
    pub endpoint: String,
    /// What it was.
    pub from: HealthState,
    /// What it is.
    pub to: HealthState,
    /// How many checks in a row brought it about.
    pub checks: u32,
    /// What the last of them said.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

// ===== impl CheckResult =====

impl CheckResult {
    /// Every result.
    pub const ALL: [Self; 5] = [
        Self::Healthy,
        Self::Unhealthy,
        Self::Unknown,
        Self::TimedOut,
        Self::Panicked,
    ];

    /// Its name, as it is serialised.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
        }
    }
}

// ===== impl HealthSummary =====

impl HealthSummary {
    /// All endpoints.
    #[must_use]
    pub const fn members(&self) -> usize {
        self.unknown + self.healthy + self.unhealthy
    }

    pub(super) const fn count(&mut self, state: HealthState) -> &mut usize {
        match state {
            HealthState::Unknown => &mut self.unknown,
            HealthState::Healthy => &mut self.healthy,
            HealthState::Unhealthy => &mut self.unhealthy,
        }
    }
}
