use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What an endpoint says of its own load. Parts that it does not report are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadReport {
    /// Calls in progress there, everybody's.
    pub in_flight: Option<u32>,
    /// The present time per unit of work (per token), or per call where units are not known.
    pub time_per_unit: Option<Duration>,
    /// How many calls it works on at once before they queue.
    pub max_batch: Option<u32>,
    /// The share of its memory in use, 0 to 1.
    pub memory: Option<f64>,
    /// The share of its processing power in use, 0 to 1.
    pub utilization: Option<f64>,
}
