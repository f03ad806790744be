use serde::{Deserialize, Serialize};

use crate::{config::Invalid, outcome::Outcome};

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// Which outcomes of a call are answered from elsewhere. A [`When`](super::When).
///
/// ```
/// use campanile::fallback::FallbackConfig;
///
/// let config: FallbackConfig = serde_json::from_str(r#"{ "throttled": false }"#).unwrap();
/// assert!(config.failure && config.overloaded && !config.throttled && !config.ignored);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FallbackConfig {
    /// [`Outcome::Failure`]: errors, timeouts, HTTP 5xx. True by default.
    pub failure: bool,
    /// [`Outcome::Throttled`]: HTTP 429, a rate limit, a budget. True by default.
    pub throttled: bool,
    /// [`Outcome::Overloaded`]: HTTP 503 and 529, an open breaker, a pool without members. True by default.
    pub overloaded: bool,
    /// [`Outcome::Ignored`]: the request is at fault, or its deadline has passed, so another will hardly do better. False
    /// by default.
    pub ignored: bool,
}

// ===== impl FallbackConfig =====

impl Default for FallbackConfig {
    fn default() -> Self {
        Self {
            failure: true,
            throttled: true,
            overloaded: true,
            ignored: false,
        }
    }
}

impl FallbackConfig {
    /// Sets whether failures are answered from elsewhere.
    #[must_use]
    pub const fn with_failure(mut self, falls_back: bool) -> Self {
        self.failure = falls_back;
        self
    }

    /// Sets whether throttled calls are.
    #[must_use]
    pub const fn with_throttled(mut self, falls_back: bool) -> Self {
        self.throttled = falls_back;
        self
    }

    /// Sets whether calls that an overloaded endpoint refused are.
    #[must_use]
    pub const fn with_overloaded(mut self, falls_back: bool) -> Self {
        self.overloaded = falls_back;
        self
    }

    /// Sets whether calls that were at fault themselves are.
    #[must_use]
    pub const fn with_ignored(mut self, falls_back: bool) -> Self {
        self.ignored = falls_back;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When nothing at all is answered from elsewhere.
    pub fn build(self) -> Result<Self, Invalid> {
        Invalid::unless(
            self.failure || self.throttled || self.overloaded || self.ignored,
            "fallback",
            "failure",
            &self.failure,
            "one of failure, throttled, overloaded and ignored must be true",
        )?;
        Ok(self)
    }

    /// Whether this outcome is answered from elsewhere. A success never is, nor is a call that its caller gave up.
    #[must_use]
    pub const fn falls_back(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Success | Outcome::Cancelled => false,
            Outcome::Failure(_) => self.failure,
            Outcome::Throttled { .. } => self.throttled,
            Outcome::Overloaded { .. } => self.overloaded,
            Outcome::Ignored => self.ignored,
        }
    }
}
