use bytes::Bytes;
use campanile::Usage;

use super::{FinishReason, ToolCall};
use crate::dialect::Dialect;

/// A whole answer, in the dialect of the request.
#[derive(Clone)]
pub struct ChatCompletion {
    pub(crate) dialect: Dialect,
    pub(crate) body: Bytes,
    pub(crate) finish: Option<FinishReason>,
    pub(crate) usage: Usage,
    pub(crate) reported: bool,
    pub(crate) empty: bool,
}

// ===== impl ChatCompletion =====

impl ChatCompletion {
    /// The answer's JSON, in the dialect of the request.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The dialect that it is written in.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Why the model stopped.
    #[must_use]
    pub const fn finish(&self) -> Option<FinishReason> {
        self.finish
    }

    /// What the call has taken: as the provider reported it, or as estimated.
    #[must_use]
    pub const fn usage(&self) -> &Usage {
        &self.usage
    }

    /// What the call has taken, to add to it.
    pub const fn usage_mut(&mut self) -> &mut Usage {
        &mut self.usage
    }

    /// Whether the usage is what the provider reported.
    #[must_use]
    pub const fn is_reported(&self) -> bool {
        self.reported
    }

    /// Whether it has no content at all: no text, no reasoning, no refusal, no call of a tool.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.empty
    }

    /// The text of the first choice; empty where there is none.
    #[must_use]
    pub fn text(&self) -> String {
        self.dialect.text(&self.body)
    }

    /// The tools that the model wants called.
    #[must_use]
    pub fn tool_calls(&self) -> Vec<ToolCall> {
        self.dialect.tool_calls(&self.body)
    }
}

impl std::fmt::Debug for ChatCompletion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatCompletion")
            .field("dialect", &self.dialect)
            .field("bytes", &self.body.len())
            .field("finish", &self.finish)
            .field("usage", &self.usage)
            .finish_non_exhaustive()
    }
}
