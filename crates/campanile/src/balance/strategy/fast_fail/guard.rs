//! The state machine of one endpoint: no clock, no lock, no chance.

use super::{FastFailConfig, window::Window};
use crate::time::Timestamp;

/// What is known of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Guard {
    phase: Phase,
    /// Failures in a row.
    streak: u32,
    /// Fast failures in a row.
    fast_streak: u32,
    /// Ejections in a row without a success between them.
    ejections: u32,
    /// The upstream asked not to be called before.
    refused_until: Timestamp,
    window: Window,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// In service.
    #[default]
    Serving,
    /// Out of service; from that time on the next call is a trial.
    Ejected(Timestamp),
    /// The call that began then decides.
    Trial(Timestamp),
}

/// What the end of a call says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Success,
    Failure {
        fast: bool,
    },
    /// Throttled, and nobody said for how long: counts for the share of successes only.
    Throttled,
    /// The upstream asks to be left alone until then.
    Refused(Timestamp),
    /// Nothing.
    Neither,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    /// Close the gate until then.
    Close(Timestamp),
    /// The endpoint is back in service: open the gate, unless the upstream wants to be left alone until then.
    Back(Option<Timestamp>),
    /// The trial said nothing: the next call is the trial, at once or from then on.
    Again(Option<Timestamp>),
    /// Eject if the pool can spare the endpoint: then tell [`Guard::eject`], else [`Guard::spare`].
    Eject,
}

/// The end of a call, as the guard sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) started: Timestamp,
    pub(super) now: Timestamp,
    pub(super) verdict: Verdict,
    /// The endpoint's count, this call included.
    pub(super) successes: u64,
}

// ===== impl Guard =====

impl Guard {
    /// A call begins; whether it is the trial.
    pub(super) fn begin(&mut self, now: Timestamp) -> bool {
        match self.phase {
            Phase::Ejected(until) if now >= until => {
                self.phase = Phase::Trial(now);
                true
            }
            _ => false,
        }
    }

    pub(super) fn end(
        &mut self,
        ended: Ended,
        config: &FastFailConfig,
        bucket_nanos: u64,
    ) -> (Step, Timestamp) {
        let successes =
            ended.successes - u64::from(ended.verdict == Verdict::Success && ended.successes > 0);
        let next_bucket = self.window.roll(ended.now, bucket_nanos, successes);
        let step = match self.phase {
            Phase::Serving => self.serving(ended, config),
            // Calls from before the ejection say nothing new, but for how long to stay away.
            Phase::Ejected(until) => match ended.verdict {
                Verdict::Refused(refused) => {
                    self.refused_until = self.refused_until.max(refused);
                    Step::Close(until.max(self.refused_until))
                }
                _ => Step::Nothing,
            },
            Phase::Trial(started) if started == ended.started => self.tried(ended),
            Phase::Trial(_) => {
                if let Verdict::Refused(until) = ended.verdict {
                    self.refused_until = self.refused_until.max(until);
                }
                Step::Nothing
            }
        };
        // A success that changes nothing need not be told before then.
        let troubled = self.phase != Phase::Serving || self.streak > 0 || self.ejections > 0;
        (
            step,
            if troubled {
                Timestamp::ZERO
            } else {
                next_bucket
            },
        )
    }

    fn serving(&mut self, ended: Ended, config: &FastFailConfig) -> Step {
        match ended.verdict {
            Verdict::Success => {
                self.clear_streaks();
                Step::Nothing
            }
            Verdict::Failure { fast } => {
                self.streak = self.streak.saturating_add(1);
                self.fast_streak = if fast {
                    self.fast_streak.saturating_add(1)
                } else {
                    0
                };
                self.window.fail();
                let ejects = self.streak >= config.consecutive
                    || self.fast_streak >= config.consecutive_fast
                    || self.fails_often(ended.successes, config);
                if ejects { Step::Eject } else { Step::Nothing }
            }
            Verdict::Throttled => {
                self.window.fail();
                if self.fails_often(ended.successes, config) {
                    Step::Eject
                } else {
                    Step::Nothing
                }
            }
            Verdict::Refused(until) => {
                self.refused_until = self.refused_until.max(until);
                Step::Close(self.refused_until)
            }
            Verdict::Neither => Step::Nothing,
        }
    }

    /// The trial ended.
    fn tried(&mut self, ended: Ended) -> Step {
        match ended.verdict {
            Verdict::Success => {
                self.phase = Phase::Serving;
                self.clear_streaks();
                self.window.clear(ended.successes);
                Step::Back(self.refused(ended.now))
            }
            Verdict::Neither => {
                self.phase = Phase::Ejected(ended.now.max(self.refused_until));
                Step::Again(self.refused(ended.now))
            }
            Verdict::Refused(until) => {
                self.refused_until = self.refused_until.max(until);
                Step::Eject
            }
            Verdict::Failure { .. } | Verdict::Throttled => Step::Eject,
        }
    }

    /// The endpoint is out of service until `until`, or until the upstream wants to be called again, if that is later:
    /// until when is returned.
    pub(super) fn eject(&mut self, until: Timestamp) -> Timestamp {
        let until = until.max(self.refused_until);
        self.phase = Phase::Ejected(until);
        self.ejections = self.ejections.saturating_add(1);
        self.streak = 0;
        self.fast_streak = 0;
        until
    }

    /// The pool cannot spare the endpoint: it stays in service, and its next failure asks again. Returns until when the
    /// upstream wants to be left alone, if it does.
    pub(super) fn spare(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.phase = Phase::Serving;
        self.refused(now)
    }

    /// Whether it is out of service, or to be left alone, after `now`.
    pub(super) fn is_out(&self, now: Timestamp) -> bool {
        matches!(self.phase, Phase::Ejected(until) if until > now) || self.refused_until > now
    }

    /// Somebody else has opened its gate: it is in service, as if it had not been out.
    pub(super) fn pardon(&mut self) {
        if matches!(self.phase, Phase::Ejected(_)) {
            self.phase = Phase::Serving;
        }
        self.refused_until = Timestamp::ZERO;
        self.clear_streaks();
    }

    fn refused(&self, now: Timestamp) -> Option<Timestamp> {
        (self.refused_until > now).then_some(self.refused_until)
    }

    /// Ejections in a row so far: how often the next one is doubled.
    pub(super) const fn doublings(&self) -> u32 {
        self.ejections
    }

    pub(super) const fn streak(&self) -> u32 {
        self.streak
    }

    fn clear_streaks(&mut self) {
        self.streak = 0;
        self.fast_streak = 0;
        self.ejections = 0;
    }

    fn fails_often(&self, successes: u64, config: &FastFailConfig) -> bool {
        let (failed, succeeded) = self.window.counts(successes);
        let total = failed + succeeded;
        total >= u64::from(config.min_requests)
            && (succeeded as f64) < config.min_success_ratio * total as f64
    }
}
