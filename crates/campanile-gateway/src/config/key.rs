use campanile::{context::Priority, spend_limit::SpendBudget};
use campanile_llm::provider::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LimitsConfig;

/// A caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct KeyConfig {
    /// What the caller sends as `authorization: Bearer` or `x-api-key`. A text, `{ env: NAME }` or `{ file: PATH }`.
    pub secret: Secret,
    /// On whose behalf it calls: what usage is reported by. The key's name by default.
    pub tenant: Option<String>,
    /// How much its calls matter: who goes first where calls wait for a limit, and who is refused first where too many wait.
    pub priority: Priority,
    /// Whether it may ask for another priority with `x-campanile-priority`: a lower one always, a higher one only so.
    pub may_raise_priority: bool,
    /// The models and stages it may ask for, by name or pattern. All by default.
    pub models: Vec<String>,
    /// Limits of this key's calls.
    pub limits: LimitsConfig,
    /// Budgets of its tenant: keys of one tenant share them, and must write the same.
    pub budgets: Vec<SpendBudget>,
}

impl Default for KeyConfig {
    fn default() -> Self {
        Self {
            secret: Secret::new(""),
            tenant: None,
            priority: Priority::default(),
            may_raise_priority: false,
            models: Vec::new(),
            limits: LimitsConfig::default(),
            budgets: Vec::new(),
        }
    }
}
