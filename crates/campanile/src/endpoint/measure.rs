use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    cost::{Cost, Usage},
    outcome::Outcome,
    sync::{AtomicU64, Ordering},
    time::{Timestamp, nanos},
};

/// The weight of the newest sample in an average.
const NEWEST: f64 = 0.1;

/// Samples closer together than this are not all taken: the nanoseconds between two writes of an endpoint's averages.
/// Calls that follow each other faster would make the cores fight for the line, and say nothing new.
const QUANTUM: u64 = 131_072;

/// What is measured of an endpoint. Counts are exact. Averages take at most one sample in 131 µs, and may miss one that
/// two cores write at once.
#[derive(Debug, Default)]
pub struct Measurements {
    head: Latency,
    first_data: Latency,
    total: Latency,
    last_used: AtomicU64,
    sampled: AtomicU64,
    outcomes: [AtomicU64; 6],
    streak: AtomicU64,
    /// How many successes there had been when the streak last grew.
    successes_before: AtomicU64,
    outstanding_tokens: AtomicU64,
    outstanding_nano_dollars: AtomicU64,
    used_tokens: AtomicU64,
    used_nano_dollars: AtomicU64,
}

/// A moving average of latencies of successful calls, the newest sample weighing a tenth.
pub struct Latency(AtomicU64);

/// The latencies of an endpoint, in seconds; `None` before the first sample.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LatencySnapshot {
    /// To the response head.
    pub head: Option<f64>,
    /// To the first piece of the body or stream.
    pub first_data: Option<f64>,
    /// To the end of the body or stream.
    pub total: Option<f64>,
}

/// How many calls ended in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outcomes {
    /// [`Outcome::Success`].
    pub success: u64,
    /// [`Outcome::Failure`].
    pub failure: u64,
    /// [`Outcome::Throttled`].
    pub throttled: u64,
    /// [`Outcome::Overloaded`].
    pub overloaded: u64,
    /// [`Outcome::Ignored`].
    pub ignored: u64,
    /// [`Outcome::Cancelled`].
    pub cancelled: u64,
}

// ===== impl Measurements =====

impl Measurements {
    /// To the response head.
    #[must_use]
    pub const fn head(&self) -> &Latency {
        &self.head
    }

    /// To the first piece of the body or stream.
    #[must_use]
    pub const fn first_data(&self) -> &Latency {
        &self.first_data
    }

    /// To the end of the body or stream.
    #[must_use]
    pub const fn total(&self) -> &Latency {
        &self.total
    }

    /// When the latest call began, to 131 µs; `None` when there was none.
    #[must_use]
    pub fn last_used(&self) -> Option<Timestamp> {
        match self.last_used.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Timestamp::from_nanos(nanos)),
        }
    }

    /// A call begins.
    #[inline]
    pub(crate) fn begin(&self, now: Timestamp, cost: &Cost) {
        if now
            .as_nanos()
            .saturating_sub(self.last_used.load(Ordering::Relaxed))
            > QUANTUM
        {
            self.last_used.store(now.as_nanos(), Ordering::Relaxed);
        }
        self.reserve(cost);
    }

    /// Whether the next sample would be taken.
    #[inline(always)]
    fn is_due(&self, now: Timestamp) -> bool {
        now.as_nanos()
            .saturating_sub(self.sampled.load(Ordering::Relaxed))
            > QUANTUM
    }

    /// A call has done its work.
    #[inline]
    pub(crate) fn sample(
        &self,
        started: Timestamp,
        head: Option<Timestamp>,
        first_data: Option<Timestamp>,
        now: Timestamp,
    ) {
        if !self.is_due(now) {
            return;
        }
        self.take_sample(started, head, first_data, now);
    }

    #[cold]
    fn take_sample(
        &self,
        started: Timestamp,
        head: Option<Timestamp>,
        first_data: Option<Timestamp>,
        now: Timestamp,
    ) {
        self.sampled.store(now.as_nanos(), Ordering::Relaxed);
        if let Some(head) = head {
            self.head.record(head.since(started));
        }
        if let Some(first_data) = first_data {
            self.first_data.record(first_data.since(started));
        }
        self.total.record(now.since(started));
    }

    /// The estimated cost of the calls in flight.
    #[must_use]
    pub fn outstanding(&self) -> Cost {
        Cost {
            requests: 0,
            tokens: self.outstanding_tokens.load(Ordering::Relaxed),
            nano_dollars: self.outstanding_nano_dollars.load(Ordering::Relaxed),
        }
    }

    /// Reserves the parts of `cost` that are not zero.
    #[inline]
    fn reserve(&self, cost: &Cost) {
        if cost.tokens != 0 {
            self.outstanding_tokens
                .fetch_add(cost.tokens, Ordering::Relaxed);
        }
        if cost.nano_dollars != 0 {
            self.outstanding_nano_dollars
                .fetch_add(cost.nano_dollars, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn release(&self, cost: &Cost) {
        if cost.tokens != 0 {
            self.outstanding_tokens
                .fetch_sub(cost.tokens, Ordering::Relaxed);
        }
        if cost.nano_dollars != 0 {
            self.outstanding_nano_dollars
                .fetch_sub(cost.nano_dollars, Ordering::Relaxed);
        }
    }

    /// What finished calls took, as far as upstreams reported it.
    #[must_use]
    pub fn used(&self) -> Cost {
        Cost {
            requests: 0,
            tokens: self.used_tokens.load(Ordering::Relaxed),
            nano_dollars: self.used_nano_dollars.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn add_usage(&self, usage: &Usage) {
        if let Some(tokens) = usage.total_tokens() {
            self.used_tokens.fetch_add(tokens, Ordering::Relaxed);
        }
        if let Some(money) = usage.nano_dollars {
            self.used_nano_dollars.fetch_add(money, Ordering::Relaxed);
        }
    }

    #[cold]
    pub(crate) fn count(&self, outcome: Outcome) {
        self.outcomes[index(outcome)].fetch_add(1, Ordering::Relaxed);
    }

    /// A call failed after `successes` had gone well; how many have failed in a row, this one included. Two that fail at
    /// once beside a success may count as one.
    #[cold]
    pub(super) fn fail(&self, successes: u64) -> u64 {
        if self.successes_before.swap(successes, Ordering::Relaxed) == successes {
            self.streak.fetch_add(1, Ordering::Relaxed) + 1
        } else {
            self.streak.store(1, Ordering::Relaxed);
            1
        }
    }

    pub(super) fn failures_in_row(&self, successes: u64) -> u64 {
        if self.successes_before.load(Ordering::Relaxed) == successes {
            self.streak.load(Ordering::Relaxed)
        } else {
            0
        }
    }

    #[cold]
    pub(crate) fn add_successes(&self, successes: u64) {
        self.outcomes[index(Outcome::Success)].fetch_add(successes, Ordering::Relaxed);
    }

    /// The counts, but for the latest successes, which the cell holds.
    pub(super) fn outcomes(&self) -> Outcomes {
        let [success, failure, throttled, overloaded, ignored, cancelled] =
            std::array::from_fn(|i| self.outcomes[i].load(Ordering::Relaxed));
        Outcomes {
            success,
            failure,
            throttled,
            overloaded,
            ignored,
            cancelled,
        }
    }

    /// The averages.
    #[must_use]
    pub fn latency(&self) -> LatencySnapshot {
        let seconds = |latency: &Latency| latency.average().map(|average| average.as_secs_f64());
        LatencySnapshot {
            head: seconds(&self.head),
            first_data: seconds(&self.first_data),
            total: seconds(&self.total),
        }
    }
}

const fn index(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Success => 0,
        Outcome::Failure(_) => 1,
        Outcome::Throttled { .. } => 2,
        Outcome::Overloaded { .. } => 3,
        Outcome::Ignored => 4,
        Outcome::Cancelled => 5,
    }
}

// ===== impl Latency =====

impl Latency {
    /// The moving average; `None` before the first sample.
    #[must_use]
    pub fn average(&self) -> Option<Duration> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            bits => Some(Duration::from_nanos(f64::from_bits(bits) as u64)),
        }
    }

    /// Adds a sample. A load and a store, not a loop: a sample that is lost between two cores is not missed.
    #[inline]
    pub(crate) fn record(&self, sample: Duration) {
        let sample = (nanos(sample) as f64).max(1.0);
        let average = f64::from_bits(self.0.load(Ordering::Relaxed));
        let average = if average > 0.0 {
            average + NEWEST * (sample - average)
        } else {
            sample
        };
        self.0.store(average.to_bits(), Ordering::Relaxed);
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.average().fmt(f)
    }
}
