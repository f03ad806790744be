use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Endpoint, GateHistory, LatencySnapshot, Outcomes, Reason, Weight};
use crate::{cost::Cost, time::Timestamp};

/// Everything that is known of an endpoint at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EndpointSnapshot {
    /// What identifies it within its pool.
    pub key: String,
    /// Its share of the traffic.
    pub weight: Weight,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Why it may not be picked; empty when it may.
    pub closed: Vec<Closed>,
    /// How often, and for how long, it was closed for each of the reasons that it has ever been closed for.
    #[serde(default)]
    pub gate: Vec<GateHistory>,
    /// Calls in flight.
    pub in_flight: u32,
    /// The estimated cost of the calls in flight.
    pub outstanding: Cost,
    /// What finished calls took, as far as upstreams reported it.
    pub used: Cost,
    /// Average latencies of successful calls, in seconds.
    pub latency: LatencySnapshot,
    /// How many calls ended in which way.
    pub outcomes: Outcomes,
    /// Seconds since the latest call began; `None` when there was none.
    pub idle: Option<f64>,
}

/// One reason why an endpoint may not be picked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// The reason.
    pub reason: Reason,
    /// Seconds until it ends by itself; `None` when somebody must end it.
    pub reopens_in: Option<f64>,
}

// ===== impl EndpointSnapshot =====

impl EndpointSnapshot {
    pub(super) fn of(endpoint: &Endpoint, now: Timestamp) -> Self {
        let measurements = endpoint.measurements();
        Self {
            key: endpoint.key().to_owned(),
            weight: endpoint.weight(),
            labels: endpoint.labels().clone(),
            closed: Closed::of(endpoint, now),
            gate: endpoint
                .gate()
                .history(now)
                .filter(|history| history.closings > 0)
                .collect(),
            in_flight: endpoint.in_flight(),
            outstanding: measurements.outstanding(),
            used: measurements.used(),
            latency: measurements.latency(),
            outcomes: endpoint.outcomes(),
            idle: measurements
                .last_used()
                .map(|used| now.since(used).as_secs_f64()),
        }
    }
}

// ===== impl Closed =====

impl Closed {
    /// Why an endpoint is closed.
    pub(crate) fn of(endpoint: &Endpoint, now: Timestamp) -> Vec<Self> {
        let reasons = endpoint.gate().reasons(now);
        reasons
            .map(|(reason, until)| Self {
                reason,
                reopens_in: (until != Timestamp::MAX).then(|| until.since(now).as_secs_f64()),
            })
            .collect()
    }
}
