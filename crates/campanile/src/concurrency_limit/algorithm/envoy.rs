use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Algorithm, Sample, Verdict,
    window::{Check, RoundTrips, held},
};
use crate::{
    config::Invalid,
    time::{Timestamp, human},
};

/// Follows how latency compares with the least there is, which is measured now and then with hardly any calls.
///
/// Envoy's adaptive concurrency filter (`gradient_controller.cc`): `g = clamp(minRTT (1 + buffer) / latency, 1/2, 2)` and
/// `L' = g L + sqrt(g L)`, where both latencies are percentiles. minRTT is that of
/// [`min_rtt_samples`](EnvoyGradientConfig::min_rtt_samples) calls at a limit of [`min`](EnvoyGradientConfig::min), taken
/// again every interval (and up to 15 % later, so that not all clients do it at once), and after five windows at the
/// minimum.
///
/// Unlike there, a window lasts a round trip at least; the limit rises only while half of it is used; and drops lower it
/// at most once each round trip. Taking minRTT nearly stops traffic: 80 s in each minute where calls take 5 s. So here
/// the next look comes so late that looking takes a twentieth of the time at most.
#[derive(Debug, Clone)]
pub struct EnvoyGradient {
    config: EnvoyGradientConfig,
    limit: f64,
    /// In seconds; measured first of all.
    min_rtt: f64,
    /// Since when minRTT is being measured.
    looking: Option<Timestamp>,
    look_next: Timestamp,
    window: Timestamp,
    latencies: Vec<u64>,
    busiest: u32,
    at_min: u32,
    round_trips: RoundTrips,
}

/// The settings of [`EnvoyGradient`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EnvoyGradientConfig {
    /// The limit after the first look at minRTT. 20 by default.
    pub initial: f64,
    /// The least limit, and that of a look at minRTT. 3 by default.
    pub min: f64,
    /// The percentile of latency, from 0 to 1. 0.5 by default.
    pub percentile: f64,
    /// By how much of minRTT latency may rise. 0.25 by default.
    pub buffer: f64,
    /// What a window is at least, besides a round trip. 100 ms by default.
    #[serde(with = "human")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub window: Duration,
    /// Calls that a window has at least. 10 by default.
    pub samples: u64,
    /// From one look at minRTT to the next, at least. 60 s by default.
    #[serde(with = "human")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub min_rtt_interval: Duration,
    /// Calls that a look at minRTT takes. 50 by default.
    pub min_rtt_samples: u64,
    /// What a drop multiplies the limit by. 0.9 by default.
    pub decrease: f64,
    /// The part of calls that may be dropped without lowering the limit, beside what comes by chance. 0.02 by default.
    pub drop_tolerance: f64,
}

// ===== impl EnvoyGradientConfig =====

impl Default for EnvoyGradientConfig {
    fn default() -> Self {
        Self {
            initial: 20.0,
            min: 3.0,
            percentile: 0.5,
            buffer: 0.25,
            window: Duration::from_millis(100),
            samples: 10,
            min_rtt_interval: Duration::from_secs(60),
            min_rtt_samples: 50,
            decrease: 0.9,
            drop_tolerance: 0.02,
        }
    }
}

impl EnvoyGradientConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let check = Check("envoy_gradient");
        check.at_least_1("initial", self.initial)?;
        check.at_least_1("min", self.min)?;
        check.between_0_and_1("percentile", self.percentile)?;
        check.not_below_0("buffer", self.buffer)?;
        check.some("samples", self.samples)?;
        check.some("min_rtt_samples", self.min_rtt_samples)?;
        check.between_0_and_1("decrease", self.decrease)?;
        check.not_below_0("drop_tolerance", self.drop_tolerance)?;
        Ok(self)
    }
}

// ===== impl EnvoyGradient =====

impl EnvoyGradient {
    /// Windows at the minimum after which minRTT is doubted.
    const DOUBT: u32 = 5;
    /// A look takes one part of so many of the time, at most.
    const SELDOM: u32 = 20;
    /// Latencies that are kept of one window.
    const KEPT: usize = 512;

    /// A limit that starts as `config` says.
    #[must_use]
    pub fn new(config: EnvoyGradientConfig) -> Self {
        Self {
            limit: config.initial.max(config.min),
            min_rtt: 0.0,
            looking: Some(Timestamp::ZERO),
            look_next: Timestamp::ZERO,
            window: Timestamp::ZERO,
            latencies: Vec::new(),
            busiest: 0,
            at_min: 0,
            round_trips: RoundTrips::default(),
            config,
        }
    }

    fn percentile(&mut self) -> f64 {
        let rank = (self.config.percentile * self.latencies.len() as f64) as usize;
        let (_, latency, _) = self.latencies.select_nth_unstable(rank);
        Duration::from_nanos(*latency).as_secs_f64()
    }

    fn reopen(&mut self, now: Timestamp) {
        self.latencies.clear();
        self.busiest = 0;
        self.window = now;
    }

    fn look(&mut self, sample: &Sample, since: Timestamp) {
        if (self.latencies.len() as u64) < self.config.min_rtt_samples {
            return;
        }
        self.min_rtt = self.percentile();
        self.looking = None;
        self.at_min = 0;
        let took = if since == Timestamp::ZERO {
            Duration::ZERO
        } else {
            sample.now.since(since)
        };
        let pause = self
            .config
            .min_rtt_interval
            .max(took.saturating_mul(Self::SELDOM - 1));
        // Any number will do that clients do not share.
        let jitter = (sample.now.as_nanos().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as u32;
        self.look_next = sample
            .now
            .after(pause)
            .after(pause.mul_f64(0.15 * f64::from(jitter) / 1024.0));
        self.reopen(sample.now);
    }

    fn adapt(&mut self, sample: &Sample) {
        let length = self.round_trips.mean().max(self.config.window);
        if (self.latencies.len() as u64) < self.config.samples
            || sample.now.since(self.window) < length
        {
            return;
        }
        let latency = self.percentile().max(1e-9);
        let gradient = (self.min_rtt * (1.0 + self.config.buffer) / latency).clamp(0.5, 2.0);
        let moved = gradient * self.limit + (gradient * self.limit).sqrt();
        let used = f64::from(self.busiest) >= self.limit / 2.0;
        if used || moved < self.limit {
            self.limit = moved.max(self.config.min);
        }
        self.at_min = if self.limit <= self.config.min {
            self.at_min + 1
        } else {
            0
        };
        if sample.now >= self.look_next || self.at_min >= Self::DOUBT {
            self.looking = Some(sample.now);
        }
        self.reopen(sample.now);
    }
}

impl Algorithm for EnvoyGradient {
    fn limit(&self) -> f64 {
        if self.looking.is_some() {
            self.config.min
        } else {
            self.limit
        }
    }

    fn samples(&self) -> bool {
        true
    }

    fn sample(&mut self, sample: &Sample) {
        if self.looking.is_none() {
            self.limit = held(self.limit, self.limit, sample.limit);
        }
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
                // What began before the look began among more calls.
                let counts = self.looking.is_none_or(|since| sample.started >= since);
                let kept =
                    Self::KEPT.max(usize::try_from(self.config.min_rtt_samples).unwrap_or(0));
                if counts && self.latencies.len() < kept {
                    self.latencies.push(crate::time::nanos(latency));
                }
                self.busiest = self.busiest.max(sample.in_flight);
                match self.looking {
                    Some(since) => self.look(sample, since),
                    None => self.adapt(sample),
                }
            }
        }
    }
}
