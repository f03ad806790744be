//! What the end of a call means to a breaker.

use super::{FAILURE, Machine, Pass, Phase};
use crate::{
    circuit_breaker::{
        config::CancelledPolicy,
        status::Cause,
        window::{Fault, Sample},
    },
    outcome::Outcome,
    time::Timestamp,
};

impl Machine {
    /// A call is over. `slow`: it had taken as long as a slow call by then.
    pub(in super::super) fn end(
        &mut self,
        pass: Pass,
        outcome: Outcome,
        slow: bool,
        now: Timestamp,
    ) {
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
        (self.config.overload_weight.clamp(0.0, 1.0) * FAILURE as f64).round() as u64
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
}
