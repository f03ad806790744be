use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::chat::ChatRequest;

/// What the limit of an answer's tokens is called in requests of OpenAI's interface, which has two names for it. OpenAI's own
/// newer models refuse the older one; some servers of others know no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TokenLimit {
    /// As the caller wrote it.
    #[default]
    AsWritten,
    /// The older name.
    MaxTokens,
    /// The newer name.
    MaxCompletionTokens,
}

// ===== impl TokenLimit =====

impl TokenLimit {
    /// The request with its limit under this name. One that has both keeps them: it is the provider's to refuse.
    pub(crate) fn named(self, request: &ChatRequest) -> Cow<'_, ChatRequest> {
        let (from, to) = match self {
            Self::AsWritten => return Cow::Borrowed(request),
            Self::MaxTokens => ("max_completion_tokens", "max_tokens"),
            Self::MaxCompletionTokens => ("max_tokens", "max_completion_tokens"),
        };
        let object = request.object();
        if object.get(from).is_none() || object.get(to).is_some() {
            return Cow::Borrowed(request);
        }
        Cow::Owned(request.clone().renamed(from, to))
    }
}
