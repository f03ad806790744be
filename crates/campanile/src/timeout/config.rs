use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    config::{Invalid, seconds},
    rejection::{Rejection, RejectionKind},
};

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// How long the parts of a call may take. Each limit is optional, and none is set by default.
///
/// ```
/// use campanile::timeout::TimeoutConfig;
/// use std::time::Duration;
///
/// let clocks: TimeoutConfig =
///     serde_json::from_str(r#"{ "first_data": "20s", "between_data": "10s", "total": "5m" }"#).unwrap();
/// let clocks = clocks.build().unwrap();
/// assert_eq!(clocks.head, None);
/// assert_eq!(clocks.total, Some(Duration::from_secs(300)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TimeoutConfig {
    /// From the begin of the call to the head of its answer; of an answer without a body or stream, to the answer.
    #[serde(with = "seconds::optional", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Duration>"))]
    pub head: Option<Duration>,
    /// From the begin of the call to the first data of its answer.
    #[serde(with = "seconds::optional", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Duration>"))]
    pub first_data: Option<Duration>,
    /// How long data may be waited for. It counts only while the reader waits: a slow reader does not use it up. Without
    /// a limit for the first data, that is waited for no longer either, once the head is there.
    #[serde(with = "seconds::optional", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Duration>"))]
    pub between_data: Option<Duration>,
    /// From the begin of the call to the end of its answer, slow readers included.
    #[serde(with = "seconds::optional", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Duration>"))]
    pub total: Option<Duration>,
    /// Whether time spent in `poll_ready` counts as time of the call. True by default.
    pub readiness: bool,
}

/// The clock that ran out; named in the [`layer`](Rejection::layer) of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Clock {
    /// The service did not become ready in the time that the head, the first data or the whole call has:
    /// `timeout.readiness`.
    Readiness,
    /// The head of the answer: `timeout.head`.
    Head,
    /// The first data of the answer: `timeout.first_data`.
    FirstData,
    /// The next data of the answer: `timeout.between_data`.
    BetweenData,
    /// The whole call: `timeout.total`.
    Total,
    /// The call's own deadline: `timeout.deadline`.
    Deadline,
}

// ===== impl TimeoutConfig =====

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self {
            head: None,
            first_data: None,
            between_data: None,
            total: None,
            readiness: true,
        }
    }
}

impl TimeoutConfig {
    /// No limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits the time from the begin of the call to the head of its answer.
    #[must_use]
    pub const fn with_head(mut self, limit: Duration) -> Self {
        self.head = Some(limit);
        self
    }

    /// Limits the time from the begin of the call to the first data of its answer.
    #[must_use]
    pub const fn with_first_data(mut self, limit: Duration) -> Self {
        self.first_data = Some(limit);
        self
    }

    /// Limits how long data may be waited for.
    #[must_use]
    pub const fn with_between_data(mut self, limit: Duration) -> Self {
        self.between_data = Some(limit);
        self
    }

    /// Limits the time from the begin of the call to the end of its answer.
    #[must_use]
    pub const fn with_total(mut self, limit: Duration) -> Self {
        self.total = Some(limit);
        self
    }

    /// Whether time spent in `poll_ready` counts as time of the call.
    #[must_use]
    pub const fn with_readiness(mut self, counts: bool) -> Self {
        self.readiness = counts;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first limit that is zero: no call could be made.
    pub fn build(self) -> Result<Self, Invalid> {
        for (field, limit) in [
            ("head", self.head),
            ("first_data", self.first_data),
            ("between_data", self.between_data),
            ("total", self.total),
        ] {
            if let Some(limit) = limit {
                Invalid::unless(
                    !limit.is_zero(),
                    "timeout",
                    field,
                    &limit,
                    "it must be above 0",
                )?;
            }
        }
        Ok(self)
    }
}

// ===== impl Clock =====

impl Clock {
    /// The name in a rejection's [`layer`](Rejection::layer).
    #[must_use]
    pub const fn layer(self) -> &'static str {
        match self {
            Self::Readiness => "timeout.readiness",
            Self::Head => "timeout.head",
            Self::FirstData => "timeout.first_data",
            Self::BetweenData => "timeout.between_data",
            Self::Total => "timeout.total",
            Self::Deadline => "timeout.deadline",
        }
    }

    /// The error of a call on which this clock ran out.
    #[must_use]
    pub const fn rejection(self) -> Rejection {
        Rejection::new(RejectionKind::TimedOut, self.layer())
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.layer())
    }
}
