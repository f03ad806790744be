use serde::{Deserialize, Serialize};

use super::{
    Algorithm, Sample, Verdict,
    window::{Check, RoundTrips, Seen, Window, held},
};
use crate::config::Invalid;

/// As many calls as the processor works on, and a few that queue: `queue = L (1 - base / latency)`.
///
/// After TCP Vegas (Brakmo and Peterson, 1994) and `VegasLimit` of Netflix concurrency-limits: with
/// `s = max(1, log10 L)` the limit rises by `6 s` while `queue <= s`, by `s` while `queue < 3 s`, and falls by `s` when
/// `queue > 6 s`.
///
/// What differs is where latency comes from. There it is one call's, and the base the least that any call ever took, so
/// that calls of unequal size, or one quick answer, end in a limit of 1. Here:
///
/// - The latency is the mean of a window of at least a round trip and [`samples`](VegasConfig::samples) calls, less its
///   standard error.
/// - The base is the mean of a window at **half the limit**, taken again every [`probe`](VegasConfig::probe) windows, and
///   earlier when the limit has fallen five windows in a row. So it forgets, and follows a processor that has become
///   slower or faster. That costs at most a few percent of the work done.
///
/// Give it a signal that does not depend on a call's size: latency per token ([`weigh`](VegasConfig::weigh) on), or the
/// time to the head.
#[derive(Debug, Clone)]
pub struct Vegas {
    config: VegasConfig,
    limit: f64,
    base: Option<f64>,
    probing: bool,
    /// Windows since the base was taken.
    windows: u32,
    /// Decreases in a row.
    falls: u32,
    window: Window,
    round_trips: RoundTrips,
}

/// The settings of [`Vegas`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VegasConfig {
    /// The limit at the start. 20 by default.
    pub initial: f64,
    /// The queue below which the limit rises quickly, in steps. 1 by default.
    pub few: f64,
    /// The queue below which it rises, in steps. 3 by default.
    pub alpha: f64,
    /// The queue above which it falls, in steps. 6 by default.
    pub beta: f64,
    /// What a drop multiplies the limit by. 0.9 by default.
    pub decrease: f64,
    /// The part of calls that may be dropped without lowering the limit, beside what comes by chance. 0.02 by default.
    pub drop_tolerance: f64,
    /// Calls that a window has at least. 20 by default.
    pub samples: u64,
    /// Windows from one look at the base to the next. 30 by default.
    pub probe: u32,
    /// Whether a call counts by its units of work: right for latency per token, where a long answer knows best. Off by
    /// default.
    pub weigh: bool,
}

// ===== impl VegasConfig =====

impl Default for VegasConfig {
    fn default() -> Self {
        Self {
            initial: 20.0,
            few: 1.0,
            alpha: 3.0,
            beta: 6.0,
            decrease: 0.9,
            drop_tolerance: 0.02,
            samples: 20,
            probe: 30,
            weigh: false,
        }
    }
}

impl VegasConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let check = Check("vegas");
        check.at_least_1("initial", self.initial)?;
        check.above_0("few", self.few)?;
        check.above_0("alpha", self.alpha)?;
        check.above_0("beta", self.beta)?;
        let rule = "it must not be below few";
        Invalid::unless(self.alpha >= self.few, "vegas", "alpha", &self.alpha, rule)?;
        let rule = "it must not be below alpha";
        Invalid::unless(self.beta >= self.alpha, "vegas", "beta", &self.beta, rule)?;
        check.between_0_and_1("decrease", self.decrease)?;
        check.not_below_0("drop_tolerance", self.drop_tolerance)?;
        check.some("samples", self.samples)?;
        check.some("probe", self.probe.into())?;
        Ok(self)
    }
}

// ===== impl Vegas =====

impl Vegas {
    /// Decreases in a row after which the base is doubted.
    const DOUBT: u32 = 5;

    /// A limit that starts as `config` says.
    #[must_use]
    pub fn new(config: VegasConfig) -> Self {
        Self {
            limit: config.initial,
            base: None,
            probing: true,
            windows: 0,
            falls: 0,
            window: Window::default(),
            round_trips: RoundTrips::default(),
            config,
        }
    }

    fn closed(&mut self, seen: Seen) {
        let half_empty = f64::from(seen.busiest) < self.limit / 2.0;
        self.windows += 1;
        if self.probing {
            self.probing = false;
            (self.base, self.windows, self.falls) = (Some(seen.mean), 0, 0);
            return;
        }
        let base = match self.base {
            // What nobody queues for is the base itself.
            Some(base) if half_empty => base + (seen.mean - base) / 5.0,
            Some(base) if seen.mean + 2.0 * seen.error >= base => base,
            _ => seen.mean,
        };
        self.base = Some(base);
        if !half_empty {
            self.adapt(base / (seen.mean - seen.error).max(base));
        }
        self.probing = self.windows >= self.config.probe || self.falls >= Self::DOUBT;
    }

    /// `part` is what of its latency a call is not waiting.
    fn adapt(&mut self, part: f64) {
        let step = self.limit.log10().max(1.0);
        let queue = self.limit * (1.0 - part);
        let config = &self.config;
        let change = if queue <= config.few * step {
            config.beta * step
        } else if queue < config.alpha * step {
            step
        } else if queue > config.beta * step {
            -step
        } else {
            0.0
        };
        self.falls = if change < 0.0 { self.falls + 1 } else { 0 };
        self.limit = (self.limit + change).max(1.0);
    }
}

impl Algorithm for Vegas {
    fn limit(&self) -> f64 {
        if self.probing {
            (self.limit / 2.0).max(1.0)
        } else {
            self.limit
        }
    }

    fn samples(&self) -> bool {
        true
    }

    fn sample(&mut self, sample: &Sample) {
        if !self.probing {
            self.limit = held(self.limit, self.limit, sample.limit);
        }
        match sample.verdict {
            Verdict::Ignored => {}
            Verdict::Dropped => {
                if self.round_trips.cut(sample, self.config.drop_tolerance) {
                    self.limit = (self.limit * self.config.decrease).max(1.0);
                    self.window = Window::after(sample.now, self.round_trips.mean());
                }
            }
            Verdict::Done => {
                self.round_trips.learn(sample);
                let Some(latency) = sample.latency else {
                    return;
                };
                let weight = if self.config.weigh {
                    sample.units as f64
                } else {
                    1.0
                };
                self.window.add(sample, latency, weight);
                let round_trip = self.round_trips.mean();
                if let Some(seen) = self
                    .window
                    .close(sample.now, round_trip, self.config.samples)
                {
                    self.closed(seen);
                    self.window = Window::after(sample.now, round_trip);
                }
            }
        }
    }
}
