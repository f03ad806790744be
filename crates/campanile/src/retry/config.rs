use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Backoff;
use crate::{budget::BudgetConfig, config::Invalid, context::KeepTrail, time::human};

/// Settings of a [`RetryLayer`](super::RetryLayer).
///
/// ```
/// use campanile::retry::{Backoff, RetryConfig};
/// use std::time::Duration;
///
/// let config: RetryConfig = serde_json::from_str(
///     r#"{ "max_retries": 3, "backoff": { "kind": "fixed", "wait": "50ms" }, "budget": { "cap": 10 } }"#,
/// )?;
/// let config = config.build()?;
/// assert_eq!(config.backoff, Backoff::fixed(Duration::from_millis(50)));
/// # Ok::<_, campanile::BoxError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RetryConfig {
    /// How often this layer tries a call again. 2 by default; 0 for never.
    pub max_retries: u32,
    /// How long a retry waits. Decorrelated jitter from 200 ms to 5 s by default.
    pub backoff: Backoff,
    /// What an answer's `Retry-After` means. It is waited for by default.
    pub retry_after: RetryAfter,
    /// The longest `Retry-After` that is waited for, whatever the deadline; a longer one ends the call at once. 60 s by
    /// default.
    #[serde(with = "human")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub max_retry_after: Duration,
    /// How long a retry waits, after its back-off, for the inner service to be ready; then the failed answer is the
    /// answer. 1 s by default.
    #[serde(with = "human")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub patience: Duration,
    /// What retries may add to the calls of all. `None` for no bound, which is for tests. 0.2 for each success, 3 at
    /// most, by default.
    pub budget: Option<BudgetConfig>,
    /// How often a call may be sent in all, the first time included, by all layers that share its attempts (retry, hedge,
    /// fallback); counts where the call carries a context, unless a layer further out has set it. Set it on the outermost
    /// of them: a limit that is set further in binds those further out too. No limit by default.
    pub attempts: Option<u32>,
    /// Which calls note where they have been. All that can, by default.
    pub trail: KeepTrail,
    /// Where the random numbers start, for runs that can be repeated. Random by default.
    pub seed: Option<u64>,
}

/// What the `Retry-After` of an answer, or of an upstream's error, means. That of a [`Rejection`](crate::Rejection), such as
/// the refusal of a pool whose members are all closed, is always waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RetryAfter {
    /// The retry waits so long, if that fits the deadline.
    #[default]
    Wait,
    /// It is the matter of the endpoint that said so: the retry goes elsewhere after the usual back-off. For a pool
    /// whose endpoints close their own gates, and whose refusals say when the first one reopens.
    Elsewhere,
}

// ===== impl RetryConfig =====

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_retries: 2,
            backoff: Backoff::default(),
            retry_after: RetryAfter::default(),
            max_retry_after: Duration::from_secs(60),
            patience: Duration::from_secs(1),
            budget: Some(BudgetConfig::default()),
            attempts: None,
            trail: KeepTrail::default(),
            seed: None,
        }
    }
}

impl RetryConfig {
    /// Sets how often a call is tried again.
    #[must_use]
    pub const fn with_max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// Sets how long a retry waits.
    #[must_use]
    pub const fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets what an answer's `Retry-After` means.
    #[must_use]
    pub const fn with_retry_after(mut self, meaning: RetryAfter) -> Self {
        self.retry_after = meaning;
        self
    }

    /// Sets the longest `Retry-After` that is waited for.
    #[must_use]
    pub const fn with_max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = longest;
        self
    }

    /// Sets how long a retry waits for the inner service to be ready.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets what retries may add to the calls of all; `None` for no bound.
    #[must_use]
    pub const fn with_budget(mut self, budget: Option<BudgetConfig>) -> Self {
        self.budget = budget;
        self
    }

    /// Sets how often a call may be sent in all.
    #[must_use]
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Sets which calls note where they have been.
    #[must_use]
    pub const fn with_trail(mut self, trail: KeepTrail) -> Self {
        self.trail = trail;
        self
    }

    /// Sets where the random numbers start.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        self.backoff.check()?;
        if let Some(budget) = self.budget {
            budget.build()?;
        }
        let some = self.attempts != Some(0);
        let rule = "it must be at least 1";
        Invalid::unless(some, "retry", "attempts", &self.attempts, rule)?;
        Ok(self)
    }
}
