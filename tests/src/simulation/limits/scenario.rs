use std::{fs, path::Path, time::Duration};

use campanile::{
    concurrency_limit::algorithm::{AlgorithmConfig, Verdict},
    time::human,
};
use serde::Deserialize;

use super::super::{Law, Work};

/// A scenario file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is about, for people.
    pub about: String,
    /// Who works.
    pub processor: Processor,
    /// Arrivals, in parts of the processor's capacity.
    #[serde(default)]
    pub loads: Vec<f64>,
    /// Instead of arrivals: so many callers, each of whom calls again at once when its call is over.
    #[serde(default)]
    pub callers: Option<u32>,
    /// How long it lasts.
    #[serde(with = "human")]
    pub lasts: Duration,
    /// What of that is not measured.
    #[serde(with = "human")]
    pub warm_up: Duration,
    /// Runs that are averaged.
    pub seeds: u64,
    /// How fine work is measured over time.
    #[serde(with = "human")]
    pub bin: Duration,
    /// What changes, in order of time.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// Who is tested.
    pub cases: Vec<Case>,
}

/// Who works, and on what.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Processor {
    /// How fast.
    pub law: Law,
    /// On what.
    pub work: Work,
    /// Calls per second at most.
    pub capacity: f64,
    /// When callers give up.
    #[serde(with = "human")]
    pub timeout: Duration,
    /// The rest, which can change.
    #[serde(default)]
    pub state: Change,
}

/// What changes. What is not named stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// When.
    #[serde(with = "human")]
    pub at: Duration,
    /// How it works.
    pub law: Option<Law>,
    /// How fast, in parts of what it is at first.
    pub speed: Option<f64>,
    /// What the way there and back takes, in seconds.
    pub latency: Option<f64>,
    /// The mean of an exponential time that comes on top, in seconds.
    pub jitter: Option<f64>,
    /// Calls that fail.
    pub fault: Option<Fault>,
    /// Calls in flight from which on it says 429.
    pub refuses_above: Option<u32>,
}

/// Calls that fail.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What part of them.
    pub part: f64,
    /// After how many seconds.
    pub after: f64,
    /// Whether that tells of load.
    pub dropped: bool,
}

/// The state of a processor at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State {
    /// How it works.
    pub law: Law,
    /// How fast, in parts of what it is at first.
    pub speed: f64,
    /// What the way there and back takes, in seconds.
    pub latency: f64,
    /// The mean of an exponential time that comes on top, in seconds.
    pub jitter: f64,
    /// Calls that fail.
    pub fault: Option<Fault>,
    /// Calls in flight from which on it says 429.
    pub refuses_above: Option<u32>,
}

/// An algorithm, and what it must keep.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The algorithm.
    pub algorithm: AlgorithmConfig,
    /// What it is told of latency.
    #[serde(default)]
    pub signal: Signal,
    /// The cap of the limit.
    #[serde(default = "thousand")]
    pub cap: u32,
    /// What must hold.
    pub bounds: Bounds,
}

/// What a latency is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Of the whole call.
    #[default]
    Total,
    /// Until its first data.
    First,
    /// Of the whole call, by the pieces it has.
    PerUnit,
}

/// What must hold; what is not named need not.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// Goodput at each load, in parts of the best static limit's: one number for all, or one for each.
    pub goodput: Vec<f64>,
    /// Calls served a second, at the highest load.
    pub calls: Option<f64>,
    /// What the limit is on average at the highest load, from and to.
    pub limit: Option<(f64, f64)>,
    /// What the limit never falls below.
    pub least_limit: Option<f64>,
    /// Median latency at the highest load, in parts of the best static limit's.
    pub p50: Option<f64>,
    /// The same of the 99th percentile.
    pub p99: Option<f64>,
    /// Recovery after each change, in seconds, at every load; none where it need not.
    pub recovers: Vec<Option<f64>>,
}

// ===== impl Scenario =====

impl Scenario {
    /// Reads the file of that name.
    ///
    /// # Panics
    ///
    /// When it is missing or wrong; the message says what.
    #[must_use]
    pub fn read(name: &str) -> Self {
        let path = directory().join(format!("{name}.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let scenario: Self =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        for case in &scenario.cases {
            _ = case
                .algorithm
                .build()
                .unwrap_or_else(|error| panic!("{path:?}: {error}"));
        }
        scenario
    }

    /// The loads; only callers have none, and count as one.
    #[must_use]
    pub fn loads(&self) -> Vec<f64> {
        if self.loads.is_empty() {
            vec![1.0]
        } else {
            self.loads.clone()
        }
    }

    /// The state from each of these times on.
    #[must_use]
    pub fn states(&self) -> Vec<(Duration, State)> {
        let mut state = State {
            law: self.processor.law,
            speed: 1.0,
            latency: 0.0,
            jitter: 0.0,
            fault: None,
            refuses_above: None,
        }
        .after(&self.processor.state);
        let mut states = vec![(Duration::ZERO, state)];
        for change in &self.changes {
            state = state.after(change);
            states.push((change.at, state));
        }
        states
    }

    /// The same without changes, in the state of that phase.
    #[must_use]
    pub fn steady(&self, phase: usize) -> Self {
        let (_, state) = self.states()[phase];
        let mut steady = self.clone();
        steady.processor.state = Change {
            at: Duration::ZERO,
            law: Some(state.law),
            speed: Some(state.speed),
            latency: Some(state.latency),
            jitter: Some(state.jitter),
            fault: state.fault,
            refuses_above: state.refuses_above,
        };
        steady.changes.clear();
        steady
    }
}

/// Where scenario files are.
#[must_use]
pub(super) fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/limits"))
}

// ===== impl State =====

impl State {
    fn after(self, change: &Change) -> Self {
        Self {
            law: change.law.unwrap_or(self.law),
            speed: change.speed.unwrap_or(self.speed),
            latency: change.latency.unwrap_or(self.latency),
            jitter: change.jitter.unwrap_or(self.jitter),
            fault: change.fault.or(self.fault),
            refuses_above: change.refuses_above.or(self.refuses_above),
        }
    }
}

// ===== impl Fault =====

impl Fault {
    /// What a limit hears of it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.dropped {
            Verdict::Dropped
        } else {
            Verdict::Ignored
        }
    }
}

const fn thousand() -> u32 {
    1000
}
