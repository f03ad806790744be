//! What was recorded of a stage or an endpoint, at one moment.

use super::Histogram;
use crate::{outcome::FailureKind, rejection::RejectionKind, time::Timestamp};

/// Everything that was recorded of a stage or an endpoint, at one moment. Counts are since the start.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Reading {
    /// Calls that have begun.
    pub requests: u64,
    /// How calls have ended.
    pub outcomes: OutcomeCounts,
    /// Calls that have begun and not ended, to the last byte.
    pub in_flight: u64,
    /// Attempts that were retries.
    pub retries: u64,
    /// Attempts that were hedges.
    pub hedges: u64,
    /// Attempts at another service than the one that failed.
    pub fallbacks: u64,
    /// Calls that a layer further in refused.
    pub refusals: Vec<Refusals>,
    /// Tokens read, as far as upstreams reported them.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read that came from an upstream's cache.
    pub cached_tokens: u64,
    /// Money spent, in nano-dollars.
    pub nano_dollars: u64,
    /// Bytes of requests, where their length was known beforehand.
    pub sent_bytes: u64,
    /// Bytes of the bodies of answers.
    pub received_bytes: u64,
    /// When the latest call began; `None` when there was none.
    pub last_used: Option<Timestamp>,
    /// When recording began.
    pub since: Timestamp,
    /// The calls that ended since the start, in the last minute, and the latest ones.
    pub start: Distributions,
    /// Those of the last minute.
    pub minute: Distributions,
    /// The latest ones, 1,000 unless set otherwise.
    pub latest: Distributions,
}

/// Which calls are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Window {
    /// All since the start.
    Start,
    /// Those that ended in the last minute.
    Minute,
    /// The latest ones, 1,000 unless set otherwise.
    Latest,
}

/// How long the calls of one [`Window`] took. Calls that were cancelled are counted, and timed nowhere.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Distributions {
    /// How they ended.
    pub outcomes: OutcomeCounts,
    /// The time that the window spans, in which these calls ended.
    pub span: std::time::Duration,
    /// From the begin to the head of the answer.
    pub head: Histogram,
    /// From the begin to the first data.
    pub first_data: Histogram,
    /// Between one piece of data and the next. Empty for [`Window::Latest`].
    pub between_data: Histogram,
    /// From the begin to the end.
    pub total: Histogram,
    /// From the begin to the end, of calls that failed, were throttled or overloaded.
    pub failed: Histogram,
    /// In queues, before the call reached this layer; where a context says since when. Empty for [`Window::Latest`].
    pub wait: Histogram,
}

/// How many calls ended in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutcomeCounts {
    /// [`Outcome::Success`](crate::Outcome::Success).
    pub success: u64,
    /// [`Outcome::Failure`](crate::Outcome::Failure), by kind, in the order of [`FailureKind::ALL`].
    pub failure: [u64; FailureKind::ALL.len()],
    /// [`Outcome::Throttled`](crate::Outcome::Throttled).
    pub throttled: u64,
    /// [`Outcome::Overloaded`](crate::Outcome::Overloaded).
    pub overloaded: u64,
    /// [`Outcome::Ignored`](crate::Outcome::Ignored).
    pub ignored: u64,
    /// [`Outcome::Cancelled`](crate::Outcome::Cancelled).
    pub cancelled: u64,
}

/// How many calls one layer refused for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusals {
    /// The layer.
    pub layer: &'static str,
    /// Why.
    pub kind: RejectionKind,
    /// How many.
    pub count: u64,
}

// ===== impl OutcomeCounts =====

impl OutcomeCounts {
    /// All calls that ended.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.success
            + self.failures()
            + self.throttled
            + self.overloaded
            + self.ignored
            + self.cancelled
    }

    /// Failures of every kind.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failure.iter().sum()
    }
}
