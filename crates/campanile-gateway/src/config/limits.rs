use std::time::Duration;

use campanile::config::seconds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits of a key, a stage, a member, or the whole. None by default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LimitsConfig {
    /// How many calls a second. Not together with [`requests_per_minute`](Self::requests_per_minute).
    #[serde(alias = "rate_limit_per_second")]
    pub requests_per_second: Option<f64>,
    /// How many calls a minute.
    pub requests_per_minute: Option<f64>,
    /// How many tokens a minute, of prompts and answers together, as they are estimated before and reported after. Of members
    /// that speak Anthropic's API without those that the provider read from its cache, which its own limits leave out.
    pub tokens_per_minute: Option<f64>,
    /// How many calls at once, streams to their last byte.
    #[serde(alias = "max_workers")]
    pub concurrent: Option<u32>,
    /// How long a call waits for its turn before it is refused. 0 by default, which refuses at once; of members the pool
    /// goes elsewhere.
    #[serde(with = "seconds")]
    #[schemars(with = "Duration")]
    pub max_wait: Duration,
    /// How many calls wait at most; beyond, those that matter least are refused. 1,024 by default.
    pub max_waiting: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            requests_per_second: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            concurrent: None,
            max_wait: Duration::ZERO,
            max_waiting: 1024,
        }
    }
}
