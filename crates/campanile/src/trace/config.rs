use serde::{Deserialize, Serialize};

use crate::{config::Invalid, context::KeepTrail, outcome::Outcome};

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// Settings of the line in the log that a stage writes for each call that failed.
///
/// ```
/// use campanile::trace::{LogLevel, TraceConfig};
///
/// let config: TraceConfig = serde_json::from_str(r#"{ "throttled": "info" }"#).unwrap();
/// assert_eq!(config.throttled, LogLevel::Info);
/// assert_eq!(config.failure, LogLevel::Warn);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TraceConfig {
    /// The level of calls that end in [`Outcome::Failure`]. `warn` by default.
    pub failure: LogLevel,
    /// Of those that were [`Throttled`](Outcome::Throttled). `warn` by default.
    pub throttled: LogLevel,
    /// Of those that found everyone [`Overloaded`](Outcome::Overloaded). `warn` by default.
    pub overloaded: LogLevel,
    /// Of those that were at fault themselves, [`Ignored`](Outcome::Ignored), such as those with a deadline in the past.
    /// `warn` by default.
    pub ignored: LogLevel,
    /// Of those that their callers gave up, [`Cancelled`](Outcome::Cancelled). `debug` by default.
    pub cancelled: LogLevel,
    /// Of those that went well. `off` by default.
    pub success: LogLevel,
    /// Which calls a stage gives a trail, where the line is on, so that it can tell of each attempt. All by default.
    /// Layers and strategies further in see it as they would see that of a retry.
    pub trail: KeepTrail,
    /// The longest text of an error, in bytes. 512 by default; at least 16.
    pub error_length: usize,
}

/// How much a line matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// It is not written.
    Off,
    /// `tracing::Level::TRACE`.
    Trace,
    /// `tracing::Level::DEBUG`.
    Debug,
    /// `tracing::Level::INFO`.
    Info,
    /// `tracing::Level::WARN`.
    #[default]
    Warn,
    /// `tracing::Level::ERROR`.
    Error,
}

// ===== impl TraceConfig =====

impl Default for TraceConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TraceConfig {
    pub(super) const DEFAULT: Self = Self {
        failure: LogLevel::Warn,
        throttled: LogLevel::Warn,
        overloaded: LogLevel::Warn,
        ignored: LogLevel::Warn,
        cancelled: LogLevel::Debug,
        success: LogLevel::Off,
        trail: KeepTrail::Always,
        error_length: 512,
    };

    /// Sets the level of failures.
    #[must_use]
    pub const fn with_failure(mut self, level: LogLevel) -> Self {
        self.failure = level;
        self
    }

    /// Sets the level of throttled calls.
    #[must_use]
    pub const fn with_throttled(mut self, level: LogLevel) -> Self {
        self.throttled = level;
        self
    }

    /// Sets the level of calls that found everyone overloaded.
    #[must_use]
    pub const fn with_overloaded(mut self, level: LogLevel) -> Self {
        self.overloaded = level;
        self
    }

    /// Sets the level of calls that were at fault themselves.
    #[must_use]
    pub const fn with_ignored(mut self, level: LogLevel) -> Self {
        self.ignored = level;
        self
    }

    /// Sets the level of cancelled calls.
    #[must_use]
    pub const fn with_cancelled(mut self, level: LogLevel) -> Self {
        self.cancelled = level;
        self
    }

    /// Sets the level of calls that went well.
    #[must_use]
    pub const fn with_success(mut self, level: LogLevel) -> Self {
        self.success = level;
        self
    }

    /// Sets which calls get a trail.
    #[must_use]
    pub const fn with_trail(mut self, trail: KeepTrail) -> Self {
        self.trail = trail;
        self
    }

    /// Sets the longest text of an error.
    #[must_use]
    pub const fn with_error_length(mut self, bytes: usize) -> Self {
        self.error_length = bytes;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When the text of an error is to be shorter than 16 bytes.
    pub fn build(self) -> Result<Self, Invalid> {
        Invalid::unless(
            self.error_length >= 16,
            "trace",
            "error_length",
            &self.error_length,
            "it must be at least 16 bytes",
        )?;
        Ok(self)
    }

    /// The level of a call that ended so.
    #[must_use]
    pub const fn level(&self, outcome: Outcome) -> LogLevel {
        match outcome {
            Outcome::Success => self.success,
            Outcome::Failure(_) => self.failure,
            Outcome::Throttled { .. } => self.throttled,
            Outcome::Overloaded { .. } => self.overloaded,
            Outcome::Ignored => self.ignored,
            Outcome::Cancelled => self.cancelled,
        }
    }

    /// The level of the line that matters most: if nobody listens at that, nobody listens to any.
    pub(super) fn highest(&self) -> LogLevel {
        let ends = [
            self.failure,
            self.throttled,
            self.overloaded,
            self.ignored,
            self.cancelled,
            self.success,
        ];
        ends.into_iter().max().unwrap_or(LogLevel::Off)
    }
}
