use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    algorithm::{AlgorithmConfig, StaticConfig},
    state::MAX_LIMIT,
};
use crate::{config::Invalid, time::human};

/// How a concurrency limit is found, and what happens while it is reached.
///
/// ```
/// use campanile::concurrency_limit::{ConcurrencyLimitConfig, WhenFull};
///
/// let config: ConcurrencyLimitConfig = serde_json::from_str(
///     r#"{ "algorithm": { "static": { "limit": 8 } }, "when_full": "refuse" }"#,
/// )
/// .unwrap();
/// assert_eq!(config.when_full, WhenFull::Refuse);
///
/// let error = ConcurrencyLimitConfig { min_limit: 0, ..config }.build().unwrap_err();
/// assert_eq!(error.to_string(), "concurrency_limit.min_limit is 0: it must be at least 1");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConcurrencyLimitConfig {
    /// How the limit adapts, and where it starts. [`Elastic`](super::algorithm::Elastic) by default.
    pub algorithm: AlgorithmConfig,
    /// Which latency an algorithm that reads latencies is told. The total by default.
    pub signal: Signal,
    /// The limit never falls below it, whatever the algorithm, a dial or an operator says. 1 by default.
    pub min_limit: u32,
    /// The limit never rises above it. 1,000 by default, 1,000,000 ([`MAX_LIMIT`]) at most.
    pub max_limit: u32,
    /// Whether a call takes as many permits as it stands for requests ([`Cost::requests`](crate::Cost::requests), of its
    /// context or as its protocol estimates), and not just one. A call that is heavier than the whole limit goes alone.
    /// Off by default.
    pub weighted: bool,
    /// What happens to a call that finds the limit reached. It waits, by default.
    pub when_full: WhenFull,
    /// How many calls wait at most. One that comes then is refused at once, unless it matters more than another that waits:
    /// then the last of those that matter least is refused in its place. 1,024 by default.
    pub max_waiting: usize,
    /// How long a call waits before it is refused; a deadline of its own may end the wait earlier. 5 s by default.
    #[serde(with = "human")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub max_wait: Duration,
}

/// What happens to a call that finds the limit reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WhenFull {
    /// It waits in its own future, behind those that matter more ([`Priority`](crate::context::Priority) of its context), and
    /// those that matter as much and came before.
    #[default]
    Wait,
    /// It is refused at once.
    Refuse,
}

/// Which latency an algorithm is told of a call. Counted from when the call was admitted, so that waits for the limit
/// itself are no part of it. Only calls that were served have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Signal {
    /// To the head of the answer.
    Head,
    /// To the first data of the answer; of one without data, to its head.
    FirstData,
    /// To the end of the answer, divided by the tokens written: as the upstream reported them, or else the pieces that
    /// arrived. It does not depend on how long answers are.
    PerToken,
    /// To the end of the answer.
    #[default]
    Total,
}

// ===== impl ConcurrencyLimitConfig =====

impl Default for ConcurrencyLimitConfig {
    fn default() -> Self {
        Self {
            algorithm: AlgorithmConfig::default(),
            signal: Signal::default(),
            min_limit: 1,
            max_limit: 1_000,
            weighted: false,
            when_full: WhenFull::default(),
            max_waiting: 1_024,
            max_wait: Duration::from_secs(5),
        }
    }
}

impl ConcurrencyLimitConfig {
    /// A limit that stays as it is until somebody moves it.
    #[must_use]
    pub fn fixed(limit: u32) -> Self {
        let default = Self::default();
        Self {
            algorithm: AlgorithmConfig::Static(StaticConfig { limit }),
            max_limit: default.max_limit.max(limit),
            ..default
        }
    }

    /// Refuses calls that find the limit reached.
    #[must_use]
    pub const fn refusing(mut self) -> Self {
        self.when_full = WhenFull::Refuse;
        self
    }

    /// Lets `max_waiting` calls wait, each for `max_wait` at most.
    #[must_use]
    pub const fn waiting(mut self, max_waiting: usize, max_wait: Duration) -> Self {
        self.when_full = WhenFull::Wait;
        self.max_waiting = max_waiting;
        self.max_wait = max_wait;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        const CONCERN: &str = "concurrency_limit";
        Invalid::unless(
            self.min_limit > 0,
            CONCERN,
            "min_limit",
            &self.min_limit,
            "it must be at least 1",
        )?;
        Invalid::unless(
            self.max_limit >= self.min_limit,
            CONCERN,
            "max_limit",
            &self.max_limit,
            "it must not be below min_limit",
        )?;
        Invalid::unless(
            self.max_limit <= MAX_LIMIT,
            CONCERN,
            "max_limit",
            &self.max_limit,
            "it must not be above 1000000",
        )?;
        Invalid::unless(
            self.when_full == WhenFull::Refuse || self.max_waiting > 0,
            CONCERN,
            "max_waiting",
            &self.max_waiting,
            "it must be at least 1, unless calls are refused",
        )?;
        Invalid::unless(
            self.when_full == WhenFull::Refuse || !self.max_wait.is_zero(),
            CONCERN,
            "max_wait",
            &self.max_wait,
            "it must be above 0, unless calls are refused",
        )?;
        let algorithm = self.algorithm.build()?;
        if let AlgorithmConfig::Static(StaticConfig { limit }) = algorithm {
            Invalid::unless(
                (self.min_limit..=self.max_limit).contains(&limit),
                CONCERN,
                "algorithm.static.limit",
                &limit,
                "it must be between min_limit and max_limit",
            )?;
        }
        Ok(self)
    }
}
