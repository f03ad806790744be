//! Everything that was recorded, at one moment, in a form that can be serialised.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{
    Reading, Table, Window,
    gathered::{Gathered, GatheredEndpoint, GatheredStage, Sample},
};
use crate::{
    collect::Value,
    endpoint::{GateHistory, Reason},
};

mod figures;

pub use figures::{Figures, LatencyFigures, OutcomeFigures, RefusalFigures, WindowFigures};

/// Everything that was recorded, at one moment. Durations are in seconds, money is in dollars, and exact in nano-dollars.
/// What cannot be told, as a mean of no calls, is absent (`null`), and never 0.
///
/// It is had from [`Metrics::snapshot`](super::Metrics::snapshot). Displayed, it is a [table](Self::table).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MetricsSnapshot {
    /// When it was taken, in seconds since 1970.
    pub at: f64,
    /// All stages together. A call through two stages, one within the other, is counted in both.
    pub total: Figures,
    /// Each stage, by name.
    pub stages: Vec<StageSnapshot>,
}

/// What was recorded of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StageSnapshot {
    /// Its name.
    pub name: String,
    /// Its calls.
    pub figures: Figures,
    /// Calls that have begun and are at none of its endpoints yet, or not any more.
    pub queued: u64,
    /// Its endpoints, by key.
    pub endpoints: Vec<EndpointFigures>,
    /// What was told by whatever is attached to it.
    pub samples: Vec<SampleSnapshot>,
}

/// What was recorded of an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EndpointFigures {
    /// What identifies it.
    pub key: String,
    /// All its labels.
    pub labels: BTreeMap<String, String>,
    /// Its share of the traffic, as wished.
    pub weight: f64,
    /// Its calls.
    pub figures: Figures,
    /// Its share of the calls that the present endpoints of its stage began since the start, from 0 to 1; absent while there
    /// are none.
    pub share: Option<f64>,
    /// Its share of those that ended in the last minute.
    pub minute_share: Option<f64>,
    /// Whether its gate is open.
    pub open: bool,
    /// Why, how often and for how long its gate was closed: every reason, also those that never were.
    pub gate: Vec<GateFigures>,
    /// What was told by whatever is attached to it.
    pub samples: Vec<SampleSnapshot>,
}

/// How often and for how long a gate was closed for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GateFigures {
    /// The reason.
    pub reason: Reason,
    /// Whether it is closed for it now.
    pub closed: bool,
    /// How often it was closed for it.
    pub closings: u64,
    /// For how long in all, in seconds.
    pub seconds: f64,
}

/// One sample of what is attached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SampleSnapshot {
    /// What it is of, with its unit: `breaker_state`, `hedge_delay_seconds`.
    pub metric: String,
    /// The name under which what told it was attached, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What tells it from others of the same metric: `["unit", "tokens"]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<(String, String)>,
    /// Its value, where it is a finite number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The state that holds, where it is a state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

// ===== impl MetricsSnapshot =====

impl MetricsSnapshot {
    pub(super) fn of(gathered: &Gathered) -> Self {
        let mut all = Reading {
            since: gathered.now,
            ..Reading::default()
        };
        for stage in &gathered.stages {
            figures::merge(&mut all, &stage.reading);
        }
        let stages = gathered.stages.iter();
        Self {
            at: gathered.unix,
            total: Figures::of(&all, gathered.now),
            stages: stages
                .map(|stage| StageSnapshot::of(stage, gathered))
                .collect(),
        }
    }

    /// A stage by its name.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<&StageSnapshot> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// The same as a table for a terminal, 120 columns wide at most.
    pub fn table(&self, window: Window) -> Table {
        Table::of(self, window)
    }
}

/// The table of the last minute.
impl fmt::Display for MetricsSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table(Window::Minute).fmt(f)
    }
}

// ===== impl StageSnapshot =====

impl StageSnapshot {
    fn of(stage: &GatheredStage, gathered: &Gathered) -> Self {
        let sum = |count: fn(&GatheredEndpoint) -> u64| stage.endpoints.iter().map(count).sum();
        let (begun, ended) = (sum(begun), sum(ended));
        let endpoints = stage.endpoints.iter();
        Self {
            name: stage.name.to_string(),
            figures: Figures::of(&stage.reading, gathered.now),
            queued: stage.queued(),
            endpoints: endpoints
                .map(|endpoint| EndpointFigures::of(endpoint, begun, ended, gathered))
                .collect(),
            samples: stage.samples.iter().map(SampleSnapshot::of).collect(),
        }
    }

    /// An endpoint by its key.
    #[must_use]
    pub fn endpoint(&self, key: &str) -> Option<&EndpointFigures> {
        self.endpoints.iter().find(|endpoint| endpoint.key == key)
    }
}

const fn begun(endpoint: &GatheredEndpoint) -> u64 {
    endpoint.reading.requests
}

fn ended(endpoint: &GatheredEndpoint) -> u64 {
    endpoint.reading.minute.outcomes.total()
}

// ===== impl EndpointFigures =====

impl EndpointFigures {
    fn of(of: &GatheredEndpoint, all_begun: u64, all_ended: u64, gathered: &Gathered) -> Self {
        let endpoint = &of.endpoint;
        Self {
            key: endpoint.key().to_owned(),
            labels: endpoint.labels().clone(),
            weight: endpoint.weight().get(),
            figures: Figures::of(&of.reading, gathered.now),
            share: figures::ratio(begun(of), all_begun),
            minute_share: figures::ratio(ended(of), all_ended),
            open: of.gates.iter().all(|gate| !gate.closed),
            gate: of.gates.iter().map(GateFigures::of).collect(),
            samples: of.samples.iter().map(SampleSnapshot::of).collect(),
        }
    }

    /// The reasons for which its gate is closed.
    pub fn closed(&self) -> impl Iterator<Item = Reason> {
        let closed = self.gate.iter().filter(|gate| gate.closed);
        closed.map(|gate| gate.reason)
    }
}

impl GateFigures {
    const fn of(gate: &GateHistory) -> Self {
        Self {
            reason: gate.reason,
            closed: gate.closed,
            closings: gate.closings,
            seconds: gate.time.as_secs_f64(),
        }
    }
}

impl SampleSnapshot {
    fn of(sample: &Sample) -> Self {
        let (value, state) = match sample.value {
            Value::Counter(value) | Value::Gauge(value) => (Some(value), None),
            Value::State { states, present } => (None, states.get(present)),
        };
        let metric = sample.metric;
        let unit = metric.unit.map(|unit| format!("_{unit}"));
        let name = (!sample.name.is_empty()).then(|| sample.name.to_owned());
        Self {
            metric: format!("{}{}", metric.name, unit.unwrap_or_default()),
            name,
            label: sample
                .label
                .map(|(name, value)| (name.into(), value.into())),
            value: value.filter(|value| value.is_finite()),
            state: state.map(|&state| state.to_owned()),
        }
    }
}
