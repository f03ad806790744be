use std::time::Duration;

use campanile::Outcome;
use serde::{Deserialize, Serialize};

/// What an error means.
///
/// | class | same endpoint again | another endpoint | outcome |
/// |---|---|---|---|
/// | [`Rate`](Self::Rate) | after the hint | at once | `Throttled` |
/// | [`Quota`](Self::Quota), [`Auth`](Self::Auth) | no | at once | `Throttled`: benched |
/// | [`Overload`](Self::Overload) | after a back-off | at once | `Overloaded` |
/// | [`Server`](Self::Server), [`Unreachable`](Self::Unreachable), [`Timeout`](Self::Timeout), [`Empty`](Self::Empty), [`Malformed`](Self::Malformed), [`Interrupted`](Self::Interrupted) | after a back-off | at once | `Failure` |
/// | [`Request`](Self::Request), [`ModelNotFound`](Self::ModelNotFound), [`ContextWindow`](Self::ContextWindow), [`ContentFilter`](Self::ContentFilter) | never | never, but a group of its own | `Ignored` |
/// | [`Refused`](Self::Refused) | as the rejection says | as the rejection says | that of the rejection |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Class {
    /// Too many requests or tokens in a short time.
    Rate,
    /// What the key may use in a long time is used up, or it is not paid for.
    Quota,
    /// The provider has more work than it can take.
    Overload,
    /// The provider failed.
    Server,
    /// The provider could not be reached, or the connection broke before its head.
    Unreachable,
    /// A clock ran out, here or at the provider.
    Timeout,
    /// The key is not valid, or may not do this.
    Auth,
    /// The request is at fault.
    Request,
    /// There is no such model.
    ModelNotFound,
    /// The prompt is longer than the model's context window.
    ContextWindow,
    /// The prompt, or the answer, was filtered.
    ContentFilter,
    /// An answer of success without any content.
    Empty,
    /// The answer is not what the provider's interface says.
    Malformed,
    /// The stream broke off, or ended without a proof that it is whole.
    Interrupted,
    /// A layer of this stack refused the call.
    Refused,
}

/// How long an endpoint is left alone whose key is not valid or used up, where nothing says how long: five minutes.
const BENCH: Duration = Duration::from_secs(300);

// ===== impl Class =====

impl Class {
    /// Every class.
    pub const ALL: [Self; 15] = [
        Self::Rate,
        Self::Quota,
        Self::Overload,
        Self::Server,
        Self::Unreachable,
        Self::Timeout,
        Self::Auth,
        Self::Request,
        Self::ModelNotFound,
        Self::ContextWindow,
        Self::ContentFilter,
        Self::Empty,
        Self::Malformed,
        Self::Interrupted,
        Self::Refused,
    ];

    /// Its name: lower case, words joined by underscores, as in its serialised form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Quota => "quota",
            Self::Overload => "overload",
            Self::Server => "server",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Auth => "auth",
            Self::Request => "request",
            Self::ModelNotFound => "model_not_found",
            Self::ContextWindow => "context_window",
            Self::ContentFilter => "content_filter",
            Self::Empty => "empty",
            Self::Malformed => "malformed",
            Self::Interrupted => "interrupted",
            Self::Refused => "refused",
        }
    }

    /// Whether the request itself is at fault, so that no other endpoint of the same kind would take it.
    #[must_use]
    pub const fn is_request(self) -> bool {
        matches!(
            self,
            Self::Request | Self::ModelNotFound | Self::ContextWindow | Self::ContentFilter
        )
    }

    /// What it means for the endpoint, which asked to be left alone for so long.
    #[must_use]
    pub fn outcome(self, retry_after: Option<Duration>) -> Outcome {
        match self {
            Self::Rate => Outcome::Throttled { retry_after },
            Self::Quota | Self::Auth => Outcome::Throttled {
                retry_after: Some(retry_after.unwrap_or(BENCH)),
            },
            Self::Overload | Self::Refused => Outcome::Overloaded { retry_after },
            Self::Request | Self::ModelNotFound | Self::ContextWindow | Self::ContentFilter => {
                Outcome::Ignored
            }
            _ => Outcome::Failure(self.failure()),
        }
    }

    /// The HTTP status to answer a caller with. A key of this side that is not valid is no matter of the caller's.
    pub(super) fn status(self, upstream: Option<u16>) -> u16 {
        let faulty = upstream.filter(|status| (400..500).contains(status));
        match self {
            Self::Rate => 429,
            Self::Quota | Self::Overload | Self::Refused => 503,
            Self::Timeout => 504,
            Self::Request | Self::ContextWindow | Self::ContentFilter => faulty.unwrap_or(400),
            Self::ModelNotFound => 404,
            _ => 502,
        }
    }
}
