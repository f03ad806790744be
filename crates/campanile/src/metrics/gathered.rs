//! Everything at one moment: what snapshots and texts are made of, so that all their parts agree.

use std::sync::Arc;

use super::{Reading, histogram::slots::Slotted, recorder::Tallies};
use crate::{
    collect::{Metric, Sink, Value},
    endpoint::{Endpoint, GateHistory},
    time::Timestamp,
};

/// All stages at one moment.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Gathered {
    pub(super) now: Timestamp,
    /// The same moment in seconds since 1970.
    pub(super) unix: f64,
    pub(super) stages: Vec<GatheredStage>,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct GatheredStage {
    pub(super) name: Arc<str>,
    /// Its labels as they are written down.
    pub(super) labels: Arc<str>,
    pub(super) reading: Reading,
    /// The times since the start by bounds, for texts, whose readings have none.
    pub(super) timed: Tallies<Slotted>,
    pub(super) samples: Vec<Sample>,
    pub(super) endpoints: Vec<GatheredEndpoint>,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct GatheredEndpoint {
    pub(super) endpoint: Endpoint,
    pub(super) labels: Arc<str>,
    pub(super) reading: Reading,
    /// As those of a stage.
    pub(super) timed: Tallies<Slotted>,
    pub(super) gates: Vec<GateHistory>,
    pub(super) samples: Vec<Sample>,
}

/// What was told by something that was attached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) metric: &'static Metric,
    /// The name under which that was attached, if it has one.
    pub(super) name: &'static str,
    pub(super) label: Option<(&'static str, &'static str)>,
    pub(super) value: Value,
}

/// Takes samples, of each series the first.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub(super) all: Vec<Sample>,
    pub(super) name: &'static str,
}

// ===== impl Gathered =====

impl GatheredStage {
    /// Calls that have begun and are at no endpoint yet. Calls begin and end while it is read, so a difference below 0 is
    /// none.
    pub(super) fn queued(&self) -> u64 {
        let endpoints = self.endpoints.iter();
        let there: u64 = endpoints.map(|endpoint| endpoint.reading.in_flight).sum();
        self.reading.in_flight.saturating_sub(there)
    }
}

// ===== impl Samples =====

impl Sink for Samples {
    fn sample(
        &mut self,
        metric: &'static Metric,
        label: Option<(&'static str, &'static str)>,
        value: Value,
    ) {
        let same = |other: &Sample| {
            other.metric.name == metric.name && other.name == self.name && other.label == label
        };
        if !self.all.iter().any(same) {
            self.all.push(Sample {
                metric,
                name: self.name,
                label,
                value,
            });
        }
    }
}
