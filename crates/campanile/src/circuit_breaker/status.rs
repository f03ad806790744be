use serde::{Deserialize, Serialize};

use super::state::Machine;
use crate::time::Timestamp;

/// Whether a breaker lets calls in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// All of them.
    #[default]
    Closed,
    /// None, until a time. The first call after it turns the breaker half-open.
    Open,
    /// A few, to see whether the service is well again.
    HalfOpen,
    /// None, by an operator's hand.
    ForcedOpen,
    /// All of them whatever becomes of them, by an operator's hand.
    ForcedClosed,
}

/// Why a breaker is in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// It has not left its first state.
    #[default]
    Start,
    /// So many calls failed in a row.
    FailuresInARow,
    /// Too large a share of calls failed.
    FailureRate,
    /// Too large a share of calls was slow.
    SlowRate,
    /// It was open for its time, and a call came.
    TimeToProbe,
    /// A call failed that was let in while half-open.
    ProbeFailed,
    /// Enough calls succeeded that were let in while half-open.
    ProbesSucceeded,
    /// An operator opened it.
    ForcedOpen,
    /// An operator closed it.
    ForcedClosed,
    /// An operator set it back.
    Reset,
}

/// What can be watched of a breaker: it changes with each transition, and when the upstream asks for a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BreakerStatus {
    /// The state.
    pub state: BreakerState,
    /// What brought it there.
    pub cause: Cause,
    /// Since when it is in it; [`Timestamp::ZERO`] from the start.
    pub since: Timestamp,
    /// When an open breaker tries calls again.
    pub until: Option<Timestamp>,
    /// The upstream throttled a call and asked for none until then.
    pub parked_until: Option<Timestamp>,
    /// Trips that followed each other without a calm between them.
    pub streak: u32,
    /// Trips ever.
    pub trips: u64,
    /// Counts the changes, so that one that was missed shows.
    pub revision: u64,
}

/// Everything that is known of a breaker at one moment, in a form that can be serialised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BreakerSnapshot {
    /// Its name, or the key of its endpoint.
    pub name: Option<String>,
    /// The state.
    pub state: BreakerState,
    /// What brought it there.
    pub cause: Cause,
    /// Seconds until an open breaker tries calls again.
    pub reopens_in: Option<f64>,
    /// Seconds for which the upstream asked for no calls.
    pub parked_for: Option<f64>,
    /// Failures in a row, an overload a part of one.
    pub failures_in_a_row: f64,
    /// Trips that followed each other without a calm between them.
    pub streak: u32,
    /// Trips ever.
    pub trips: u64,
    /// Calls on trial.
    pub probes: usize,
    /// Calls on trial that have succeeded.
    pub probes_succeeded: u32,
    /// Calls in the window; zero where no rate is set.
    pub calls: u64,
    /// The share of them that failed.
    pub failure_rate: f64,
    /// The share of them that was slow.
    pub slow_rate: f64,
}

// ===== impl BreakerStatus =====

impl BreakerStatus {
    pub(super) fn of(machine: &Machine, now: Timestamp, revision: u64) -> Self {
        Self {
            state: machine.state(),
            cause: machine.cause(),
            since: machine.since(),
            until: (machine.state() == BreakerState::Open).then(|| machine.closed_until(now)),
            parked_until: (machine.parked() > now).then(|| machine.parked()),
            streak: machine.streak(),
            trips: machine.trips(),
            revision,
        }
    }

    /// Whether there is nothing new in `other` but its number.
    pub(super) fn says_the_same_as(&self, other: &Self) -> bool {
        Self {
            revision: 0,
            ..*self
        } == Self {
            revision: 0,
            ..*other
        }
    }
}

// ===== impl BreakerSnapshot =====

impl BreakerSnapshot {
    pub(super) fn of(name: Option<String>, machine: &Machine, now: Timestamp) -> Self {
        let status = BreakerStatus::of(machine, now, 0);
        let seconds = |until: Timestamp| until.since(now).as_secs_f64();
        let sums = machine.window().map(super::window::Window::sums);
        let sums = sums.unwrap_or_default();
        let (probes, probes_succeeded) = machine.probes();
        Self {
            name,
            state: status.state,
            cause: status.cause,
            reopens_in: status.until.map(seconds),
            parked_for: status.parked_until.map(seconds),
            failures_in_a_row: machine.in_a_row(),
            streak: status.streak,
            trips: status.trips,
            probes,
            probes_succeeded,
            calls: sums.calls,
            failure_rate: sums.failure_rate(machine.config().overload_weight),
            slow_rate: sums.slow_rate(),
        }
    }
}

impl BreakerState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Closed,
        Self::Open,
        Self::HalfOpen,
        Self::ForcedOpen,
        Self::ForcedClosed,
    ];

    /// Its name, as it is serialised.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
        }
    }
}

impl Cause {
    /// Its name, as it is serialised.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::FailuresInARow => "failures_in_a_row",
            Self::FailureRate => "failure_rate",
            Self::SlowRate => "slow_rate",
            Self::TimeToProbe => "time_to_probe",
            Self::ProbeFailed => "probe_failed",
            Self::ProbesSucceeded => "probes_succeeded",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
            Self::Reset => "reset",
        }
    }
}
