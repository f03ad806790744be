use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Algorithm, Sample, Verdict,
    window::{Check, RoundTrips, Seen, Window, held},
};
use crate::{config::Invalid, time::human};

/// Follows how latency now compares with latency on average.
///
/// `Gradient2Limit` of Netflix concurrency-limits: `long` is an average over 600 windows, `short` that of the last one.
/// `g = clamp(tolerance long / short, 1/2, 1)`, and `L` moves a fifth of the way to `g L + queue` while more than half of
/// it is used; `long` falls by a twentieth when it is twice `short`. Unlike there, a window with fewer than ten calls
/// stays open, and drops lower the limit at most once each round trip.
///
/// Its average drifts up under overload that lasts, and the limit with it.
#[derive(Debug, Clone)]
pub struct Gradient2 {
    config: Gradient2Config,
    limit: f64,
    long: f64,
    windows: u32,
    window: Window,
    round_trips: RoundTrips,
}

/// The settings of [`Gradient2`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gradient2Config {
    /// The limit at the start. 20 by default.
    pub initial: f64,
    /// The limit that it does not go below by itself. 4 by default.
    pub min: f64,
    /// What a window is at least, besides a round trip. 1 s by default.
    #[serde(with = "human")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub window: Duration,
    /// Calls that a window has at least. 10 by default.
    pub samples: u64,
    /// Windows that the long average looks back. 600 by default.
    pub long: u32,
    /// How many times its average latency may be before the limit falls. 1.5 by default.
    pub tolerance: f64,
    /// How far the limit moves in one window. 0.2 by default.
    pub smoothing: f64,
    /// Calls that may queue. 4 by default.
    pub queue: f64,
    /// What a drop multiplies the limit by. 0.9 by default.
    pub decrease: f64,
    /// The part of calls that may be dropped without lowering the limit, beside what comes by chance. 0.02 by default.
    pub drop_tolerance: f64,
}

// ===== impl Gradient2Config =====

impl Default for Gradient2Config {
    fn default() -> Self {
        Self {
            initial: 20.0,
            min: 4.0,
            window: Duration::from_secs(1),
            samples: 10,
            long: 600,
            tolerance: 1.5,
            smoothing: 0.2,
            queue: 4.0,
            decrease: 0.9,
            drop_tolerance: 0.02,
        }
    }
}

impl Gradient2Config {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let check = Check("gradient2");
        check.at_least_1("initial", self.initial)?;
        check.at_least_1("min", self.min)?;
        check.some("samples", self.samples)?;
        check.some("long", self.long.into())?;
        check.at_least_1("tolerance", self.tolerance)?;
        check.between_0_and_1("smoothing", self.smoothing)?;
        check.not_below_0("queue", self.queue)?;
        check.between_0_and_1("decrease", self.decrease)?;
        check.not_below_0("drop_tolerance", self.drop_tolerance)?;
        Ok(self)
    }
}

// ===== impl Gradient2 =====

impl Gradient2 {
    /// Windows of which the long average is a plain mean.
    const WARM_UP: u32 = 10;

    /// A limit that starts as `config` says.
    #[must_use]
    pub fn new(config: Gradient2Config) -> Self {
        Self {
            limit: config.initial,
            long: 0.0,
            windows: 0,
            window: Window::default(),
            round_trips: RoundTrips::default(),
            config,
        }
    }

    fn closed(&mut self, seen: Seen) {
        self.windows = self.windows.saturating_add(1);
        let weight = if self.windows <= Self::WARM_UP {
            1.0 / f64::from(self.windows)
        } else {
            2.0 / (f64::from(self.config.long) + 1.0)
        };
        self.long += (seen.mean - self.long) * weight;
        if self.long > 2.0 * seen.mean {
            self.long *= 0.95;
        }
        if f64::from(seen.busiest) < self.limit / 2.0 || seen.mean <= 0.0 {
            return;
        }
        let gradient = (self.config.tolerance * self.long / seen.mean).clamp(0.5, 1.0);
        let wanted = gradient * self.limit + self.config.queue;
        self.limit += (wanted - self.limit) * self.config.smoothing;
        self.limit = self.limit.max(self.config.min);
    }
}

impl Algorithm for Gradient2 {
    fn limit(&self) -> f64 {
        self.limit
    }

    fn samples(&self) -> bool {
        true
    }

    fn sample(&mut self, sample: &Sample) {
        self.limit = held(self.limit, self.limit, sample.limit);
        match sample.verdict {
            Verdict::Ignored => {}
            Verdict::Dropped => {
                if self.round_trips.cut(sample, self.config.drop_tolerance) {
                    self.limit = (self.limit * self.config.decrease).max(self.config.min);
                }
            }
            Verdict::Done => {
                self.round_trips.learn(sample);
                let Some(latency) = sample.latency else {
                    return;
                };
                self.window.add(sample, latency, 1.0);
                let length = self.round_trips.mean().max(self.config.window);
                let closed = self.window.close(sample.now, length, self.config.samples);
                if let Some(seen) = closed {
                    self.closed(seen);
                    self.window = Window::after(sample.now, Duration::ZERO);
                }
            }
        }
    }
}
