//! What the algorithms that look at latency share: when a round trip is over, and what its calls took.

use std::time::Duration;

use super::{Sample, Verdict};
use crate::{config::Invalid, time::Timestamp};

/// The mean time of a served call, and whether a decrease is due: at most one each round trip.
#[derive(Debug, Clone, Default)]
pub(super) struct RoundTrips {
    /// Mean time of a served call in seconds; 0 before the first.
    mean: f64,
    last_cut: Timestamp,
    /// Of this round trip, or of [`ENOUGH`] calls, and of the one before it.
    ended: [Ended; 2],
}

/// Calls among which drops are looked for at least: of fewer, one that comes by chance would be too large a part.
pub(super) const ENOUGH: u32 = 50;

/// What the calls of a round trip came to.
#[derive(Debug, Clone, Copy, Default)]
struct Ended {
    since: Timestamp,
    served: u32,
    dropped: u32,
}

/// The latencies of the calls that ended in one window.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    /// Calls that end before this still show an earlier limit.
    settled: Timestamp,
    count: u64,
    weights: f64,
    weights_squared: f64,
    sum: f64,
    squares: f64,
    busiest: u32,
}

/// What a closed window showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// Mean latency in seconds.
    pub(super) mean: f64,
    /// Standard error of the mean.
    pub(super) error: f64,
    /// The most calls in flight.
    pub(super) busiest: u32,
}

// ===== impl RoundTrips =====

impl RoundTrips {
    /// Learns how long calls take.
    pub(super) fn learn(&mut self, sample: &Sample) {
        if sample.verdict == Verdict::Done {
            let took = sample.now.since(sample.started).as_secs_f64();
            self.mean = if self.mean == 0.0 {
                took
            } else {
                self.mean + (took - self.mean) / 16.0
            };
            self.current(sample.now).served += 1;
        }
    }

    /// The counts of this round trip.
    fn current(&mut self, now: Timestamp) -> &mut Ended {
        let last = &self.ended[0];
        if now.since(last.since) >= self.mean() && last.served + last.dropped >= ENOUGH {
            self.ended = [
                Ended {
                    since: now,
                    ..Ended::default()
                },
                self.ended[0],
            ];
        }
        &mut self.ended[0]
    }

    /// How long a served call takes, on average.
    pub(super) fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.mean)
    }

    /// Whether the dropped call lowers the limit. A call that began before the last decrease tells nothing new, nor does
    /// a quick refusal before the calls that were served at that time have ended; and `tolerance` is the part of the last
    /// calls that may be dropped.
    pub(super) fn cut(&mut self, sample: &Sample, tolerance: f64) -> bool {
        self.current(sample.now).dropped += 1;
        let ever = self.last_cut != Timestamp::ZERO;
        if ever && (sample.started < self.last_cut || sample.now.since(self.last_cut) < self.mean())
        {
            return false;
        }
        let sum = |count: fn(&Ended) -> u32| f64::from(self.ended.iter().map(count).sum::<u32>());
        let (served, dropped) = (sum(|ended| ended.served), sum(|ended| ended.dropped));
        if !beyond_chance(dropped, served, tolerance) {
            return false;
        }
        self.last_cut = sample.now;
        self.ended = [Ended::default(); 2];
        true
    }
}

// ===== impl Window =====

impl Window {
    /// A window that opens when `settling` is over.
    pub(super) fn after(now: Timestamp, settling: Duration) -> Self {
        Self {
            settled: now.after(settling),
            ..Self::default()
        }
    }

    /// Adds a served call that weighs `weight`.
    pub(super) fn add(&mut self, sample: &Sample, latency: Duration, weight: f64) {
        if sample.now < self.settled {
            return;
        }
        let latency = latency.as_secs_f64();
        self.count += 1;
        self.weights += weight;
        self.weights_squared += weight * weight;
        self.sum += weight * latency;
        self.squares += weight * latency * latency;
        self.busiest = self.busiest.max(sample.in_flight);
    }

    /// What the window showed, once it is as long as `length` and has `least` calls. A window with fewer stays open; it
    /// is not thrown away, else a client with few calls never learns.
    pub(super) fn close(&self, now: Timestamp, length: Duration, least: u64) -> Option<Seen> {
        if self.count < least.max(1) || now.since(self.settled) < length || self.weights <= 0.0 {
            return None;
        }
        let mean = self.sum / self.weights;
        let variance = (self.squares / self.weights - mean * mean).max(0.0);
        let effective = self.weights * self.weights / self.weights_squared;
        Some(Seen {
            mean,
            error: (variance / effective).sqrt(),
            busiest: self.busiest,
        })
    }
}

/// Whether so many calls were dropped beside those served that more than `tolerance` of them is to be believed: more than
/// one, and more than two deviations of a count that comes by chance.
pub(super) fn beyond_chance(dropped: f64, served: f64, tolerance: f64) -> bool {
    let tolerated = tolerance * (dropped + served);
    let chance = tolerated + 2.0 * tolerated.sqrt();
    dropped
        > if tolerance > 0.0 {
            chance.max(1.0)
        } else {
            0.0
        }
}

/// Holds `limit` to what its owner made of it: no further than one above the limit in force when that was capped, nor
/// below it when it was raised to a floor. `asked` is what the algorithm wanted to be in force.
pub(super) fn held(limit: f64, asked: f64, in_force: u32) -> f64 {
    let in_force = f64::from(in_force);
    if asked > in_force + 1.0 {
        limit.min(in_force)
    } else if asked < in_force - 1.0 {
        limit.max(in_force)
    } else {
        limit
    }
}

/// Checks of settings, in the name of one algorithm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check(pub(super) &'static str);

impl Check {
    pub(super) fn at_least_1(self, field: &'static str, value: f64) -> Result<(), Invalid> {
        let kept = value.is_finite() && value >= 1.0;
        Invalid::unless(
            kept,
            self.0,
            field,
            &value,
            "it must be finite and at least 1",
        )
    }

    pub(super) fn above_0(self, field: &'static str, value: f64) -> Result<(), Invalid> {
        let kept = value.is_finite() && value > 0.0;
        Invalid::unless(kept, self.0, field, &value, "it must be finite and above 0")
    }

    pub(super) fn not_below_0(self, field: &'static str, value: f64) -> Result<(), Invalid> {
        let kept = value.is_finite() && value >= 0.0;
        Invalid::unless(
            kept,
            self.0,
            field,
            &value,
            "it must be finite and not below 0",
        )
    }

    pub(super) fn between_0_and_1(self, field: &'static str, value: f64) -> Result<(), Invalid> {
        let kept = value > 0.0 && value < 1.0;
        Invalid::unless(
            kept,
            self.0,
            field,
            &value,
            "it must be above 0 and below 1",
        )
    }

    pub(super) fn some(self, field: &'static str, value: u64) -> Result<(), Invalid> {
        Invalid::unless(value > 0, self.0, field, &value, "it must be at least 1")
    }
}
