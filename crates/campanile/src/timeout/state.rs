//! Which clock runs out first. Pure: time goes in, decisions come out.

use std::time::Duration;

use super::{Clock, TimeoutConfig};
use crate::time::{Timestamp, nanos};

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// The limits in nanoseconds; `u64::MAX` for none, which no sum exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    head: u64,
    first_data: u64,
    between_data: u64,
    total: u64,
}

/// The clocks of one call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    limits: Limits,
    start: Timestamp,
    /// The call's own deadline; [`Timestamp::MAX`] for none.
    deadline: Timestamp,
    phase: Phase,
    /// Since when nothing that counts has come, once that is known.
    idle_since: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Head,
    FirstData,
    BetweenData,
}

/// When the first of the running clocks runs out, and which it is. [`Timestamp::MAX`] is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) at: Timestamp,
    pub(super) clock: Clock,
}

// ===== impl Limits =====

impl Limits {
    pub(super) const fn new(config: &TimeoutConfig) -> Self {
        const fn limit(limit: Option<Duration>) -> u64 {
            match limit {
                Some(limit) => nanos(limit),
                None => u64::MAX,
            }
        }
        Self {
            head: limit(config.head),
            first_data: limit(config.first_data),
            between_data: limit(config.between_data),
            total: limit(config.total),
        }
    }

    /// Whether any limit counts from the begin of the call, so that the begin must be known.
    #[inline]
    pub(super) const fn count_from_begin(&self) -> bool {
        // All bits of a limit are set if there is none.
        self.head & self.first_data & self.total != u64::MAX
    }

    /// The time in which an answer must have begun, as far as it is known before there is a request.
    #[inline]
    pub(super) const fn readiness(&self) -> u64 {
        let mut least = self.head;
        if self.first_data < least {
            least = self.first_data;
        }
        if self.total < least {
            least = self.total;
        }
        least
    }
}

// ===== impl Running =====

impl Running {
    /// A call that begins at `start`.
    #[inline]
    pub(super) const fn begin(limits: Limits, start: Timestamp, deadline: Timestamp) -> Self {
        Self {
            limits,
            start,
            deadline,
            phase: Phase::Head,
            idle_since: None,
        }
    }

    /// The head has arrived, and a body or stream follows.
    pub(super) const fn head(&mut self) {
        self.phase = Phase::FirstData;
        self.idle_since = None;
    }

    /// Data that counts has arrived.
    #[inline]
    pub(super) const fn data(&mut self) {
        self.phase = Phase::BetweenData;
        self.idle_since = None;
    }

    /// Nothing that counts has come up to `now`: the answer is waited for.
    #[inline]
    pub(super) const fn idle(&mut self, now: Timestamp) {
        if self.idle_since.is_none() {
            self.idle_since = Some(now);
        }
    }

    /// Whether a clock runs that data does not stop.
    #[inline]
    pub(super) const fn is_capped(&self) -> bool {
        self.limits.total != u64::MAX || self.deadline.as_nanos() != u64::MAX
    }

    /// Whether any clock runs, now or later.
    #[inline]
    pub(super) const fn is_bounded(&self) -> bool {
        let limits = &self.limits;
        // All bits of a limit are set if there is none.
        limits.head & limits.first_data & limits.between_data & limits.total != u64::MAX
            || self.deadline.as_nanos() != u64::MAX
    }

    /// When the first of the clocks that run now runs out. Of two that run out at once it is the more special one.
    pub(super) fn due(&self) -> Due {
        let Limits {
            head,
            first_data,
            between_data,
            total,
        } = self.limits;
        let from = |start: Timestamp, limit: u64, clock| Due {
            at: Timestamp::from_nanos(start.as_nanos().saturating_add(limit)),
            clock,
        };
        let idle = self.idle_since.unwrap_or(Timestamp::MAX);
        let special = match self.phase {
            Phase::Head => from(self.start, head, Clock::Head).earlier(from(
                self.start,
                first_data,
                Clock::FirstData,
            )),
            Phase::FirstData if first_data != u64::MAX => {
                from(self.start, first_data, Clock::FirstData)
            }
            Phase::FirstData | Phase::BetweenData => from(idle, between_data, Clock::BetweenData),
        };
        special
            .earlier(from(self.start, total, Clock::Total))
            .earlier(Due {
                at: self.deadline,
                clock: Clock::Deadline,
            })
    }
}

// ===== impl Due =====

impl Due {
    /// Whether it is over at `now`.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        !self.is_never() && now >= self.at
    }

    /// Whether no clock runs.
    pub(super) fn is_never(&self) -> bool {
        self.at == Timestamp::MAX
    }

    /// The earlier of both; this one if they are equal.
    fn earlier(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }
}
