use std::{collections::BTreeMap, time::Duration};

use campanile::config::seconds;
use serde::{Deserialize, Serialize};

/// Stages as another system writes them: `workflow.parallel_processing.stages`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WorkflowConfig {
    /// The stages, and what holds for all.
    pub parallel_processing: ParallelConfig,
}

/// What holds for all stages, and the stages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ParallelConfig {
    /// Whether calls run at the same time; one after the other otherwise.
    pub enabled: bool,
    /// How many calls at once, all stages together.
    pub max_workers: Option<u32>,
    /// How many calls a second, all stages together.
    pub rate_limit_per_second: Option<f64>,
    /// The stages, by name.
    pub stages: BTreeMap<String, WorkflowStage>,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WorkflowStage {
    /// Whether its calls run at the same time; one after the other otherwise.
    pub enabled: bool,
    /// How many calls at once.
    pub max_workers: Option<u32>,
    /// How many at once at least, however bad things are.
    pub min_workers: Option<u32>,
    /// How many calls a second.
    pub rate_limit_per_second: Option<f64>,
    /// After how many failures in a row a provider is left alone.
    pub circuit_breaker_threshold: Option<u32>,
    /// The providers, by name.
    pub providers: Vec<String>,
    /// How many calls travel together.
    pub batch_size: Option<u32>,
    /// How long a call may take.
    #[serde(with = "seconds::optional")]
    pub timeout_seconds: Option<Duration>,
    /// How long the first call of a batch waits for others, in milliseconds.
    pub batch_timeout_ms: Option<u64>,
}

impl Default for ParallelConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            max_workers: None,
            rate_limit_per_second: None,
            stages: BTreeMap::new(),
        }
    }
}

impl Default for WorkflowStage {
    fn default() -> Self {
        Self {
            enabled: true,
            max_workers: None,
            min_workers: None,
            rate_limit_per_second: None,
            circuit_breaker_threshold: None,
            providers: Vec::new(),
            batch_size: None,
            timeout_seconds: None,
            batch_timeout_ms: None,
        }
    }
}
