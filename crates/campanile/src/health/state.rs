//! Whether one endpoint is healthy. No clock.

use serde::{Deserialize, Serialize};

use super::{HealthConfig, Verdict};
use crate::time::Timestamp;

#[cfg(test)]
mod tests;

/// Whether an endpoint is healthy, as far as its checks tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HealthState {
    /// Nobody knows yet.
    #[default]
    Unknown,
    /// It is.
    Healthy,
    /// It is not, and takes no calls unless the pool panics.
    Unhealthy,
}

/// What the checks of one endpoint have come to.
///
/// | state | a good check | a bad check |
/// |---|---|---|
/// | unknown | healthy | unhealthy when it is the `unhealthy_after`th in a row |
/// | healthy | | unhealthy when it is the `unhealthy_after`th in a row |
/// | unhealthy | healthy when it is the `healthy_after`th in a row | |
///
/// A check that cannot tell changes nothing, and ends no row.
#[derive(Debug, Clone)]
pub(super) struct State {
    state: HealthState,
    since: Timestamp,
    failures: u32,
    successes: u32,
    history: History,
}

/// An endpoint's state has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) from: HealthState,
    pub(super) to: HealthState,
    /// How many checks in a row brought it about.
    pub(super) checks: u32,
}

/// Which of the latest [`History::LENGTH`] checks have failed.
#[derive(Debug, Clone, Copy, Default)]
struct History {
    failed: u64,
    checks: u32,
}

// ===== impl HealthState =====

impl HealthState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Unknown, Self::Healthy, Self::Unhealthy];

    /// Its name, as it is serialised.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

// ===== impl State =====

impl State {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            state: HealthState::Unknown,
            since: now,
            failures: 0,
            successes: 0,
            history: History::default(),
        }
    }

    /// Takes the verdict of a check.
    pub(super) fn record(
        &mut self,
        verdict: Verdict,
        config: &HealthConfig,
        now: Timestamp,
    ) -> Option<Turn> {
        match verdict {
            Verdict::Unknown => None,
            Verdict::Healthy => {
                self.failures = 0;
                self.successes = self.successes.saturating_add(1);
                self.history.push(false);
                let enough = match self.state {
                    HealthState::Unknown => true,
                    HealthState::Healthy => false,
                    HealthState::Unhealthy => self.successes >= config.healthy_after,
                };
                enough.then(|| self.turn(HealthState::Healthy, self.successes, now))
            }
            Verdict::Unhealthy => {
                self.successes = 0;
                self.failures = self.failures.saturating_add(1);
                self.history.push(true);
                let enough =
                    self.state != HealthState::Unhealthy && self.failures >= config.unhealthy_after;
                enough.then(|| self.turn(HealthState::Unhealthy, self.failures, now))
            }
        }
    }

    fn turn(&mut self, to: HealthState, checks: u32, now: Timestamp) -> Turn {
        self.since = now;
        let from = std::mem::replace(&mut self.state, to);
        Turn { from, to, checks }
    }

    pub(super) const fn state(&self) -> HealthState {
        self.state
    }

    /// Since when it is in its state.
    pub(super) const fn since(&self) -> Timestamp {
        self.since
    }

    /// Bad checks in a row.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Good checks in a row.
    pub(super) const fn successes(&self) -> u32 {
        self.successes
    }

    /// The share of the latest 64 checks that failed; `None` before the first.
    pub(super) fn error_rate(&self) -> Option<f64> {
        self.history.error_rate()
    }
}

// ===== impl History =====

impl History {
    const LENGTH: u32 = u64::BITS;

    fn push(&mut self, failed: bool) {
        self.failed = self.failed << 1 | u64::from(failed);
        self.checks = (self.checks + 1).min(Self::LENGTH);
    }

    fn error_rate(self) -> Option<f64> {
        (self.checks != 0).then(|| f64::from(self.failed.count_ones()) / f64::from(self.checks))
    }
}
