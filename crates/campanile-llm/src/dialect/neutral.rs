//! What all dialects have in common: what a stream or an answer is made of, between two dialects.

use campanile::Usage;
use serde_json::{Map, Value};

use crate::chat::{FinishReason, ToolCall};

/// A step of a streamed answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Delta {
    /// It begins.
    Start { id: String, model: String },
    /// More text.
    Text(String),
    /// More of what is thought and not said.
    Reasoning(String),
    /// The provider's seal on what was thought, which it wants back.
    Signature(String),
    /// More of the text of a refusal.
    Refusal(String),
    /// A tool is called. Numbered from 0 in their order.
    ToolCall {
        index: u32,
        id: String,
        name: String,
    },
    /// More of its arguments, which are JSON.
    ToolArguments { index: u32, json: String },
    /// Fields beside the call's own, which the provider wants back with it. They follow the call that they belong to, and
    /// go where a [`ToolCall`] has its `extra`.
    ToolExtra {
        index: u32,
        extra: Map<String, Value>,
    },
    /// The model stopped.
    Finish(FinishReason),
    /// What the call has taken, as the provider reports it; each report replaces the one before.
    Usage(Usage),
    /// It is whole.
    End,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Whole {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) signature: String,
    pub(crate) refusal: String,
    pub(crate) tool_calls: Vec<ToolCall>,
    pub(crate) finish: Option<FinishReason>,
    pub(crate) usage: Option<Usage>,
}
