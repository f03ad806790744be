//! Whether a call is made again, and when: pure.

use std::time::Duration;

use super::{Advice, RetryConfig};
use crate::outcome::Outcome;

/// A call whose attempt has just ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) advice: Advice,
    /// The `Retry-After` that counts.
    pub(super) asked: Option<Duration>,
    /// Retries made before, and how long the last of them waited.
    pub(super) retries: u32,
    pub(super) previous: Duration,
    /// The time to the call's deadline.
    pub(super) left: Option<Duration>,
    /// From 0 to 1.
    pub(super) random: f64,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The answer is handed out.
    Answer,
    /// Another attempt after this wait; taken from the budget or not.
    Retry { wait: Duration, budgeted: bool },
}

/// How much later than it was asked to a retry comes at most, so that those who were told the same do not come at once.
const SPREAD: f64 = 0.1;

/// Whether an answer is one that is tried again.
#[inline]
pub(super) const fn is_retryable(outcome: &Outcome, advice: Advice) -> bool {
    match advice {
        Advice::Judge => outcome.is_failure() || outcome.is_refusal(),
        Advice::Retry => true,
        Advice::GiveUp => false,
    }
}

// ===== impl Ended =====

impl Ended {
    pub(super) fn next(&self, config: &RetryConfig) -> Next {
        if !is_retryable(&self.outcome, self.advice) || self.retries >= config.max_retries {
            return Next::Answer;
        }
        let (wait, fits) = match self.asked {
            None => {
                let wait = config
                    .backoff
                    .wait(self.retries, self.previous, self.random);
                (wait, true)
            }
            Some(asked) if asked <= config.max_retry_after => {
                let spread = asked.mul_f64(SPREAD * self.random);
                let latest = self
                    .left
                    .map_or(Duration::MAX, |left| left.saturating_sub(asked) / 2);
                (asked.saturating_add(spread.min(latest)), true)
            }
            Some(asked) => (asked, false),
        };
        // At the deadline itself it is too late.
        if !fits || self.left.is_some_and(|left| wait >= left) {
            return Next::Answer;
        }
        Next::Retry {
            wait,
            budgeted: !matches!(self.outcome, Outcome::Throttled { .. }),
        }
    }
}
