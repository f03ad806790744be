use std::time::Duration;

use campanile::config::Invalid;
use serde::{Deserialize, Serialize};

/// Settings of a [`CacheLayer`](super::CacheLayer).
///
/// ```
/// use campanile_llm::cache::CacheConfig;
///
/// let config: CacheConfig = serde_json::from_str(r#"{ "ttl": "10m", "scope": "everyone" }"#)?;
/// assert_eq!(config.build()?.ttl.as_secs(), 600);
/// # Ok::<_, campanile::BoxError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CacheConfig {
    /// How long an answer is good for. An hour by default.
    #[serde(with = "campanile::time::human")]
    pub ttl: Duration,
    /// How many bytes all answers may take together, about. 64 MiB by default.
    pub max_bytes: u64,
    /// The largest answer that is kept, in bytes. 1 MiB by default. Larger ones are passed on, and forgotten.
    pub max_answer: u64,
    /// Who shares answers. Each tenant has its own by default.
    pub scope: Scope,
}

/// Who shares answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// The calls of one tenant; those without one among themselves.
    #[default]
    Tenant,
    /// All calls.
    Everyone,
}

// ===== impl CacheConfig =====

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(3600),
            max_bytes: 64 << 20,
            max_answer: 1 << 20,
            scope: Scope::default(),
        }
    }
}

impl CacheConfig {
    /// Sets how long an answer is good for.
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets how many bytes all answers may take together.
    #[must_use]
    pub const fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets the largest answer that is kept.
    #[must_use]
    pub const fn with_max_answer(mut self, bytes: u64) -> Self {
        self.max_answer = bytes;
        self
    }

    /// Sets who shares answers.
    #[must_use]
    pub const fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let above = "it must be above 0";
        Invalid::unless(!self.ttl.is_zero(), "cache", "ttl", &self.ttl, above)?;
        let some = self.max_answer > 0;
        Invalid::unless(some, "cache", "max_answer", &self.max_answer, above)?;
        let enough = self.max_bytes >= self.max_answer;
        let rule = "it must be at least max_answer";
        Invalid::unless(enough, "cache", "max_bytes", &self.max_bytes, rule)?;
        Ok(self)
    }
}
