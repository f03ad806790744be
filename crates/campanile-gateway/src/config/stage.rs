use std::time::Duration;

use campanile::{config::seconds, spend_limit::SpendBudget};
use campanile_llm::route::Fallbacks;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LimitsConfig;

/// Which models go to which pool, within which limits.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct StageConfig {
    /// The pool. The one of the stage's name by default.
    pub pool: Option<String>,
    /// The models, by name or by pattern (`gpt-5-*`). Those of the pool's members by default. The stage's own name is always
    /// one of them, and goes as [`model`](Self::model).
    pub models: Vec<String>,
    /// What is asked for when the stage itself is named, or another stage falls back to this one.
    pub model: Option<String>,
    /// How many tokens, of prompt and answer together, its models take.
    pub context_window: Option<u64>,
    /// Other stages for calls that failed here, by the class of their error.
    pub fallbacks: Fallbacks,
    /// Limits of the stage's calls.
    pub limits: LimitsConfig,
    /// Budgets of the stage, all callers together.
    pub budgets: Vec<SpendBudget>,
    /// How long a call may take altogether, all attempts included. Open by default.
    #[serde(with = "seconds::optional", alias = "timeout_seconds")]
    #[schemars(with = "Option<Duration>")]
    pub deadline: Option<Duration>,
}
