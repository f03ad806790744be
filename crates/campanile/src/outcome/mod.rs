//! What a finished call means, decided once by [`Classify`] and read by every layer.
//!
//! ```
//! use campanile::outcome::{Classify, ClassifyResult, FailureKind, Outcome};
//!
//! let answered: Result<&str, std::io::Error> = Ok("hello");
//! assert_eq!(ClassifyResult.classify(answered.as_ref()), Outcome::Success);
//!
//! let refused: Result<&str, std::io::Error> = Err(std::io::ErrorKind::ConnectionRefused.into());
//! assert_eq!(ClassifyResult.classify(refused.as_ref()), Outcome::Failure(FailureKind::Error));
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

mod classify;
#[cfg(feature = "http")]
mod http;
#[cfg(all(test, feature = "http"))]
mod tests;

pub use classify::{Classify, ClassifyResult, classify_error};
#[cfg(feature = "http")]
pub use http::{ClassifyHttp, FirstDataFailed, retry_after};

/// What a finished call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The endpoint did the work.
    Success,
    /// The endpoint, or the way to it, is at fault.
    Failure(FailureKind),
    /// The caller has used up its share at this endpoint; the endpoint itself is well.
    Throttled {
        /// When the upstream asks to be called again.
        retry_after: Option<Duration>,
    },
    /// The endpoint has more work than it can take.
    Overloaded {
        /// When the upstream asks to be called again.
        retry_after: Option<Duration>,
    },
    /// Says nothing about the endpoint: the request itself was at fault.
    Ignored,
    /// The caller gave up before the end: neither success nor failure.
    Cancelled,
}

/// How a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The service answered with an error.
    Error,
    /// The upstream answered that it failed (HTTP 5xx).
    Server,
    /// Time ran out.
    Timeout,
    /// The head arrived, and the body or stream broke off.
    Interrupted,
    /// The service could not be made ready.
    NotReady,
    /// The service panicked.
    Panic,
}

// ===== impl Outcome =====

impl Outcome {
    /// Its name: lower case, words joined by underscores, without the kind of failure.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure(_) => "failure",
            Self::Throttled { .. } => "throttled",
            Self::Overloaded { .. } => "overloaded",
            Self::Ignored => "ignored",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the endpoint did the work.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Success)
    }

    /// Whether the endpoint, or the way to it, is at fault.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Failure(_))
    }

    /// Whether the endpoint refused to do the work now: throttled or overloaded.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Overloaded { .. })
    }

    /// Whether the endpoint's latency in this call is evidence of how fast it works: only of work that was done.
    #[must_use]
    pub const fn is_timed(&self) -> bool {
        self.is_success()
    }

    /// When the upstream asks to be called again.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } | Self::Overloaded { retry_after } => *retry_after,
            _ => None,
        }
    }
}

// ===== impl FailureKind =====

impl FailureKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Error,
        Self::Server,
        Self::Timeout,
        Self::Interrupted,
        Self::NotReady,
        Self::Panic,
    ];

    /// Its name: lower case, words joined by underscores, as in its serialised form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Server => "server",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::NotReady => "not_ready",
            Self::Panic => "panic",
        }
    }
}
