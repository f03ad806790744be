//! What a breaker knows, and what follows from it. Pure: `now` goes in, and nobody is told anything.

use super::{
    config::{CancelledPolicy, CircuitBreakerConfig, SlowUntil},
    probes::Probes,
    status::{BreakerState, Cause},
    window::{Fault, Sample, Window},
};
use crate::{outcome::Outcome, rejection::RejectionKind, time::Timestamp};

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

    /// A call is over. `slow`: it had taken as long as a slow call by then.
    pub(super) fn end(&mut self, pass: Pass, outcome: Outcome, slow: bool, now: Timestamp) {
        if let Outcome::Throttled {
            retry_after: Some(wait),
        } = outcome
            && self.config.park_throttled
            && !matches!(self.phase, Phase::ForcedClosed)
        {
            // Whenever the call began: the upstream counts from now.
            let until = now.after(wait.min(self.config.retry_after_max));
            self.parked = self.parked.max(until);
        }
        if pass.generation != self.generation {
            return;
        }
        match self.phase {
            Phase::Closed => self.end_closed(outcome, slow, now),
            Phase::HalfOpen(_) => self.end_probe(pass, outcome, slow, now),
            Phase::Open { .. } | Phase::ForcedOpen | Phase::ForcedClosed => {}
        }
    }

    fn end_closed(&mut self, outcome: Outcome, slow: bool, now: Timestamp) {
        let Some(fault) = self.fault(outcome, slow) else {
            if matches!(outcome, Outcome::Cancelled)
                && slow
                && self.config.slow_rate.is_some()
                && self.config.cancelled == CancelledPolicy::Slow
            {
                self.record(Fault::None, true, now);
                self.judge(outcome, now);
            }
            return;
        };
        match fault {
            Fault::None => self.in_a_row = 0,
            Fault::Soft => self.in_a_row += self.overload(),
            Fault::Hard => self.in_a_row += FAILURE,
        }
        self.record(fault, slow, now);
        // A success may lower a rate or tell of slowness, and does not trip by what others did.
        if fault != Fault::None || slow {
            self.judge(outcome, now);
        }
    }

    /// What an outcome says of the endpoint; `None` for nothing.
    fn fault(&self, outcome: Outcome, slow: bool) -> Option<Fault> {
        match outcome {
            Outcome::Success => Some(Fault::None),
            Outcome::Failure(_) => Some(Fault::Hard),
            Outcome::Overloaded { .. } => {
                (self.config.overload_weight > 0.0).then_some(Fault::Soft)
            }
            Outcome::Cancelled => {
                (slow && self.config.cancelled == CancelledPolicy::Failure).then_some(Fault::Hard)
            }
            Outcome::Throttled { .. } | Outcome::Ignored => None,
        }
    }

    /// An overload, in units of [`FAILURE`].
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to 1,000
    #[allow(clippy::cast_precision_loss)] // 1,000
    fn overload(&self) -> u64 {
        (self.config.overload_weight * FAILURE as f64).round() as u64
    }

    fn record(&mut self, fault: Fault, slow: bool, now: Timestamp) {
        if let Some(window) = &mut self.window {
            window.roll(now);
            window.record(Sample { fault, slow });
        }
    }

    /// Trips if there is a reason to.
    fn judge(&mut self, outcome: Outcome, now: Timestamp) {
        let config = &self.config;
        let reached = |rate: f64, threshold: Option<f64>| threshold.is_some_and(|at| rate >= at);
        let cause = if config
            .failure_threshold
            .is_some_and(|failures| self.in_a_row >= u64::from(failures) * FAILURE)
        {
            Cause::FailuresInARow
        } else {
            let Some(window) = &self.window else { return };
            let sums = window.sums();
            if sums.calls < u64::from(config.min_calls) {
                return;
            }
            if reached(
                sums.failure_rate(config.overload_weight),
                config.failure_rate,
            ) {
                Cause::FailureRate
            } else if reached(sums.slow_rate(), config.slow_rate) {
                Cause::SlowRate
            } else {
                return;
            }
        };
        if now.since(self.since) >= config.calm {
            self.streak = 0;
        }
        self.trip(cause, outcome, now);
    }

    fn end_probe(&mut self, pass: Pass, outcome: Outcome, slow: bool, now: Timestamp) {
        let fault = self.fault(outcome, slow);
        let needed = self.config.successes();
        let Phase::HalfOpen(probes) = &mut self.phase else {
            return;
        };
        probes.give_back(pass.lease);
        match fault {
            None => {}
            // Whoever trips by slowness is not well while it is slow.
            Some(Fault::None) if !slow || self.config.slow_rate.is_none() => {
                probes.succeeded += 1;
                if probes.succeeded >= needed {
                    self.turn(Phase::Closed, Cause::ProbesSucceeded, now);
                }
            }
            Some(_) => self.trip(Cause::ProbeFailed, outcome, now),
        }
    }

    /// Opens for as long as the upstream asked for, or else for longer than the last time.
    fn trip(&mut self, cause: Cause, outcome: Outcome, now: Timestamp) {
        let open_for = match outcome.retry_after() {
            Some(wait) if !wait.is_zero() => wait.min(self.config.retry_after_max),
            _ => self.config.opens_for(self.streak),
        };
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
