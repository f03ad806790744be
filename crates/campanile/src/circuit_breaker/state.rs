//! What a breaker knows, and what follows from it. Pure: `now` goes in, and nobody is told anything.

use super::{
    config::{CircuitBreakerConfig, SlowUntil},
    probes::Probes,
    status::{BreakerState, Cause},
    window::Window,
};
use crate::{outcome::Outcome, rejection::RejectionKind, time::Timestamp};

mod judge;

/// A failure, in the units in which failures in a row are counted: an overload is a part of one.
const FAILURE: u64 = 1_000;

/// The state machine of a breaker.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    config: CircuitBreakerConfig,
    phase: Phase,
    /// Counts the transitions. A call belongs to the one it began in.
    generation: u64,
    cause: Cause,
    /// When the phase began.
    since: Timestamp,
    /// Trips that followed each other without a calm between them.
    streak: u32,
    /// Trips ever.
    trips: u64,
    /// Failures in a row, in units of [`FAILURE`].
    in_a_row: u64,
    window: Option<Window>,
    /// The upstream asked for no calls until then; zero if it did not.
    parked: Timestamp,
}

#[derive(Debug, Clone)]
enum Phase {
    Closed,
    Open { until: Timestamp },
    HalfOpen(Probes),
    ForcedOpen,
    ForcedClosed,
}

/// What a call was let in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pass {
    pub(super) generation: u64,
    /// Its place in half-open; zero for none.
    pub(super) lease: u64,
}

/// Why a call is not let in, and until when. [`Timestamp::MAX`] where nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) kind: RejectionKind,
    pub(super) until: Timestamp,
    /// Whether calls are let in at that time for certain, and not before.
    pub(super) exact: bool,
}

// ===== impl Machine =====

impl Machine {
    pub(super) fn new(config: CircuitBreakerConfig) -> Self {
        Self {
            config,
            phase: Phase::Closed,
            generation: 0,
            cause: Cause::Start,
            since: Timestamp::ZERO,
            streak: 0,
            trips: 0,
            in_a_row: 0,
            window: config.has_rates().then(|| Window::new(config.window)),
            parked: Timestamp::ZERO,
        }
    }

    /// Lets a call in, or says why not.
    pub(super) fn admit(&mut self, now: Timestamp) -> Result<Pass, Refusal> {
        if let Some(refusal) = self.refusal(now) {
            return Err(refusal);
        }
        self.parked = Timestamp::ZERO;
        if let Phase::Open { .. } = self.phase {
            self.turn(Phase::HalfOpen(Probes::default()), Cause::TimeToProbe, now);
        }
        let lease = match &mut self.phase {
            Phase::HalfOpen(probes) => probes.lease(now, self.config.half_open_lease),
            _ => 0,
        };
        Ok(Pass {
            generation: self.generation,
            lease,
        })
    }

    /// Why a call would not be let in at `now`; `None` if it would.
    pub(super) fn refusal(&self, now: Timestamp) -> Option<Refusal> {
        let until = self.closed_until(now);
        let kind = if until > now {
            RejectionKind::CircuitOpen
        } else {
            RejectionKind::RateLimited
        };
        let exact = !matches!(self.phase, Phase::HalfOpen(_)) || self.parked >= until;
        let until = until.max(self.parked);
        (until > now).then_some(Refusal { kind, until, exact })
    }

    /// Adds calls that went well since the last time, in this generation.
    pub(super) fn absorb(&mut self, fine: u64) {
        if let (Phase::Closed, Some(window)) = (&self.phase, &mut self.window) {
            window.absorb(fine);
        }
    }

    /// Forgets what is too old at `now`.
    pub(super) fn roll(&mut self, now: Timestamp) {
        if let Some(window) = &mut self.window {
            window.roll(now);
        }
    }

    /// Opens for as long as the upstream asked for, or else for longer than the last time.
    fn trip(&mut self, cause: Cause, outcome: Outcome, now: Timestamp) {
        let asked = outcome
            .retry_after()
            .map(|wait| wait.min(self.config.retry_after_max))
            .filter(|wait| !wait.is_zero());
        let open_for = asked.unwrap_or_else(|| self.config.opens_for(self.streak));
        self.streak = self.streak.saturating_add(1);
        self.trips += 1;
        let until = now.after(open_for);
        self.turn(Phase::Open { until }, cause, now);
    }

    fn turn(&mut self, phase: Phase, cause: Cause, now: Timestamp) {
        self.phase = phase;
        self.cause = cause;
        self.generation += 1;
        self.since = now;
        self.in_a_row = 0;
        if let Some(window) = &mut self.window {
            window.clear();
        }
    }

    /// Opens until told otherwise.
    pub(super) fn force_open(&mut self, now: Timestamp) {
        self.turn(Phase::ForcedOpen, Cause::ForcedOpen, now);
    }

    /// Closes until told otherwise: nothing trips it, and nothing is counted.
    pub(super) fn force_close(&mut self, now: Timestamp) {
        self.parked = Timestamp::ZERO;
        self.turn(Phase::ForcedClosed, Cause::ForcedClosed, now);
    }

    /// As new, but for the count of trips.
    pub(super) fn reset(&mut self, now: Timestamp) {
        self.parked = Timestamp::ZERO;
        self.streak = 0;
        self.turn(Phase::Closed, Cause::Reset, now);
    }

    /// Goes on by other settings. What the window holds is forgotten if it is another window.
    pub(super) fn configure(&mut self, config: CircuitBreakerConfig) {
        if config.window != self.config.window || config.has_rates() != self.config.has_rates() {
            self.window = config.has_rates().then(|| Window::new(config.window));
        }
        self.config = config;
    }

    pub(super) const fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen(_) => BreakerState::HalfOpen,
            Phase::ForcedOpen => BreakerState::ForcedOpen,
            Phase::ForcedClosed => BreakerState::ForcedClosed,
        }
    }

    /// Until when calls are not let in because of the breaker, the upstream's wish apart; zero if they are.
    pub(super) fn closed_until(&self, now: Timestamp) -> Timestamp {
        match &self.phase {
            Phase::Closed | Phase::ForcedClosed => Timestamp::ZERO,
            Phase::Open { until } => *until,
            Phase::HalfOpen(probes) => probes.full_until(&self.config, now),
            Phase::ForcedOpen => Timestamp::MAX,
        }
    }

    pub(super) const fn config(&self) -> &CircuitBreakerConfig {
        &self.config
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) const fn cause(&self) -> Cause {
        self.cause
    }

    pub(super) const fn since(&self) -> Timestamp {
        self.since
    }

    pub(super) const fn streak(&self) -> u32 {
        self.streak
    }

    pub(super) const fn trips(&self) -> u64 {
        self.trips
    }

    pub(super) const fn parked(&self) -> Timestamp {
        self.parked
    }

    pub(super) const fn window(&self) -> Option<&Window> {
        self.window.as_ref()
    }

    /// Failures in a row, an overload a part of one.
    #[allow(clippy::cast_precision_loss)] // far below 2^52
    pub(super) fn in_a_row(&self) -> f64 {
        self.in_a_row as f64 / FAILURE as f64
    }

    /// Calls on trial, and how many of them have succeeded.
    pub(super) fn probes(&self) -> (usize, u32) {
        match &self.phase {
            Phase::HalfOpen(probes) => (probes.out(), probes.succeeded),
            _ => (0, 0),
        }
    }

    /// Whether calls have to be timed, and up to where.
    pub(super) const fn times(&self) -> Option<SlowUntil> {
        match self.config.slow_call {
            Some(_) if !matches!(self.phase, Phase::ForcedClosed) => Some(self.config.slow_until),
            _ => None,
        }
    }
}
