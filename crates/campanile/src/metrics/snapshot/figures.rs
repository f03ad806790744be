use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    metrics::{Distributions, Histogram, OutcomeCounts, Reading, Refusals, Window},
    outcome::FailureKind,
    rejection::RejectionKind,
    time::Timestamp,
};

/// What was recorded of calls. Counts are since the start; how long calls took is told for three windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figures {
    /// Calls that have begun.
    pub requests: u64,
    /// Calls that have begun and not ended, to the last byte.
    pub in_flight: u64,
    /// How calls have ended.
    pub outcomes: OutcomeFigures,
    /// The share of successes among successes, failures, throttled and overloaded calls, from 0 to 1. Calls that were
    /// ignored or cancelled count for neither side.
    pub success_rate: Option<f64>,
    /// Calls that a layer further in refused, by layer and kind.
    pub refusals: Vec<RefusalFigures>,
    /// Attempts that were retries.
    pub retries: u64,
    /// Attempts that were hedges.
    pub hedges: u64,
    /// Attempts at another service than the one that failed.
    pub fallbacks: u64,
    /// Tokens read, as far as upstreams reported them.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read that came from an upstream's cache; part of those read.
    pub cached_tokens: u64,
    /// Money spent, in dollars.
    pub dollars: f64,
    /// The same, exactly.
    pub nano_dollars: u64,
    /// Bytes of requests, where their length was known beforehand.
    pub sent_bytes: u64,
    /// Bytes of the bodies of answers.
    pub received_bytes: u64,
    /// Seconds since the latest call began; absent when there was none.
    pub idle: Option<f64>,
    /// Seconds since recording began.
    pub age: f64,
    /// The calls that ended since the start.
    pub start: WindowFigures,
    /// Those of the last minute.
    pub minute: WindowFigures,
    /// The latest ones, 1,000 unless set otherwise.
    pub latest: WindowFigures,
}

/// How many calls ended in which way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OutcomeFigures {
    /// Calls that did the work.
    pub success: u64,
    /// Failures of all kinds.
    pub failure: u64,
    /// Failures by kind: every kind by its name.
    pub failures: BTreeMap<String, u64>,
    /// Calls that the upstream refused for their number.
    pub throttled: u64,
    /// Calls that the upstream refused for its load.
    pub overloaded: u64,
    /// Calls that say nothing of the upstream.
    pub ignored: u64,
    /// Calls that were dropped before their end.
    pub cancelled: u64,
}

/// How many calls one layer refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RefusalFigures {
    /// The layer.
    pub layer: String,
    /// Why.
    pub kind: RejectionKind,
    /// How many.
    pub count: u64,
}

/// The calls that ended in one window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WindowFigures {
    /// The time that the window spans, in seconds.
    pub span: f64,
    /// Calls that ended in it.
    pub calls: u64,
    /// How they ended.
    pub outcomes: OutcomeFigures,
    /// As for [`Figures::success_rate`].
    pub success_rate: Option<f64>,
    /// Calls that ended a second.
    pub throughput: Option<f64>,
    /// From the begin to the end, of calls that did their work.
    pub total: LatencyFigures,
    /// The same of calls that failed, were throttled or overloaded.
    pub failed: LatencyFigures,
    /// From the begin to the head of the answer.
    pub head: LatencyFigures,
    /// From the begin to the first data.
    pub first_data: LatencyFigures,
    /// Between one piece of data and the next; not known of the latest calls.
    pub between_data: LatencyFigures,
    /// In queues, before the call reached this layer, where a context says since when; not known of the latest calls.
    pub wait: LatencyFigures,
}

/// How long something took, in seconds. Absent where nothing was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LatencyFigures {
    /// How often it was seen.
    pub count: u64,
    /// The mean.
    pub mean: Option<f64>,
    /// The shortest.
    pub min: Option<f64>,
    /// What half of them did not exceed.
    pub p50: Option<f64>,
    /// What nine tenths did not exceed.
    pub p90: Option<f64>,
    /// What 95 % did not exceed.
    pub p95: Option<f64>,
    /// What 99 % did not exceed.
    pub p99: Option<f64>,
    /// What 99.9 % did not exceed.
    pub p999: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
}

// ===== impl Figures =====

impl Figures {
    pub(super) fn of(reading: &Reading, now: Timestamp) -> Self {
        let seconds = |since: Timestamp| now.since(since).as_secs_f64();
        Self {
            requests: reading.requests,
            in_flight: reading.in_flight,
            outcomes: OutcomeFigures::of(&reading.outcomes),
            success_rate: success_rate(&reading.outcomes),
            refusals: reading.refusals.iter().map(RefusalFigures::of).collect(),
            retries: reading.retries,
            hedges: reading.hedges,
            fallbacks: reading.fallbacks,
            input_tokens: reading.input_tokens,
            output_tokens: reading.output_tokens,
            cached_tokens: reading.cached_tokens,
            dollars: reading.nano_dollars as f64 / 1e9,
            nano_dollars: reading.nano_dollars,
            sent_bytes: reading.sent_bytes,
            received_bytes: reading.received_bytes,
            idle: reading.last_used.map(seconds),
            age: seconds(reading.since),
            start: WindowFigures::of(&reading.start),
            minute: WindowFigures::of(&reading.minute),
            latest: WindowFigures::of(&reading.latest),
        }
    }

    /// The calls of a window.
    #[must_use]
    pub const fn window(&self, window: Window) -> &WindowFigures {
        match window {
            Window::Start => &self.start,
            Window::Minute => &self.minute,
            Window::Latest => &self.latest,
        }
    }

    /// Calls that layers further in refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refusals.iter().map(|refusal| refusal.count).sum()
    }
}

// ===== impl WindowFigures =====

impl WindowFigures {
    fn of(window: &Distributions) -> Self {
        let calls = window.outcomes.total();
        let span = window.span.as_secs_f64();
        Self {
            span,
            calls,
            outcomes: OutcomeFigures::of(&window.outcomes),
            success_rate: success_rate(&window.outcomes),
            throughput: (span > 0.0).then(|| calls as f64 / span),
            total: LatencyFigures::of(&window.total),
            failed: LatencyFigures::of(&window.failed),
            head: LatencyFigures::of(&window.head),
            first_data: LatencyFigures::of(&window.first_data),
            between_data: LatencyFigures::of(&window.between_data),
            wait: LatencyFigures::of(&window.wait),
        }
    }
}

impl LatencyFigures {
    fn of(histogram: &Histogram) -> Self {
        let count = histogram.count();
        if count == 0 {
            return Self::default();
        }
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let quantile = |quantile| seconds(histogram.quantile(quantile));
        Self {
            count,
            mean: seconds(histogram.mean()),
            min: seconds(histogram.min()),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p95: quantile(0.95),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: seconds(histogram.max()),
        }
    }
}

impl OutcomeFigures {
    fn of(counts: &OutcomeCounts) -> Self {
        let failures = FailureKind::ALL.iter().zip(counts.failure);
        Self {
            success: counts.success,
            failure: counts.failures(),
            failures: failures
                .map(|(kind, count)| (kind.name().to_owned(), count))
                .collect(),
            throttled: counts.throttled,
            overloaded: counts.overloaded,
            ignored: counts.ignored,
            cancelled: counts.cancelled,
        }
    }
}

impl RefusalFigures {
    fn of(refusals: &Refusals) -> Self {
        Self {
            layer: refusals.layer.to_owned(),
            kind: refusals.kind,
            count: refusals.count,
        }
    }
}

fn success_rate(counts: &OutcomeCounts) -> Option<f64> {
    let judged = counts.success + counts.failures() + counts.throttled + counts.overloaded;
    ratio(counts.success, judged)
}

pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Adds what another was recorded of.
pub(super) fn merge(into: &mut Reading, other: &Reading) {
    into.since = into.since.min(other.since);
    into.last_used = into.last_used.max(other.last_used);
    merge_outcomes(&mut into.outcomes, &other.outcomes);
    for (into, other) in [
        (&mut into.requests, other.requests),
        (&mut into.in_flight, other.in_flight),
        (&mut into.retries, other.retries),
        (&mut into.hedges, other.hedges),
        (&mut into.fallbacks, other.fallbacks),
        (&mut into.input_tokens, other.input_tokens),
        (&mut into.output_tokens, other.output_tokens),
        (&mut into.cached_tokens, other.cached_tokens),
        (&mut into.nano_dollars, other.nano_dollars),
        (&mut into.sent_bytes, other.sent_bytes),
        (&mut into.received_bytes, other.received_bytes),
    ] {
        *into = into.saturating_add(other);
    }
    for refusals in &other.refusals {
        let mut known = into.refusals.iter_mut();
        let same =
            |known: &&mut Refusals| (known.layer, known.kind) == (refusals.layer, refusals.kind);
        match known.find(same) {
            Some(known) => known.count += refusals.count,
            None => into.refusals.push(*refusals),
        }
    }
    merge_window(&mut into.start, &other.start);
    merge_window(&mut into.minute, &other.minute);
    merge_window(&mut into.latest, &other.latest);
}

fn merge_window(into: &mut Distributions, other: &Distributions) {
    merge_outcomes(&mut into.outcomes, &other.outcomes);
    into.span = into.span.max(other.span);
    into.head.merge(&other.head);
    into.first_data.merge(&other.first_data);
    into.between_data.merge(&other.between_data);
    into.total.merge(&other.total);
    into.failed.merge(&other.failed);
    into.wait.merge(&other.wait);
}

fn merge_outcomes(into: &mut OutcomeCounts, other: &OutcomeCounts) {
    into.success += other.success;
    into.throttled += other.throttled;
    into.overloaded += other.overloaded;
    into.ignored += other.ignored;
    into.cancelled += other.cancelled;
    for (into, other) in into.failure.iter_mut().zip(other.failure) {
        *into += other;
    }
}
