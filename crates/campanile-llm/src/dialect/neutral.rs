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
    /// Whether there is content that does not pass, but to callers of the same dialect.
    pub(crate) beside: bool,
}

// ===== impl Whole =====

impl Whole {
    /// The same as steps of a stream.
    pub(crate) fn into_deltas(self) -> Vec<Delta> {
        let mut deltas = vec![Delta::Start {
            id: self.id,
            model: self.model,
        }];
        let mut say = |text: String, delta: fn(String) -> Delta| {
            if !text.is_empty() {
                deltas.push(delta(text));
            }
        };
        say(self.reasoning, Delta::Reasoning);
        say(self.signature, Delta::Signature);
        say(self.text, Delta::Text);
        say(self.refusal, Delta::Refusal);
        for (index, call) in (0..).zip(self.tool_calls) {
            deltas.push(Delta::ToolCall {
                index,
                id: call.id,
                name: call.function.name,
            });
            if !call.extra.is_empty() {
                let extra = call.extra;
                deltas.push(Delta::ToolExtra { index, extra });
            }
            if !call.function.arguments.is_empty() {
                let json = call.function.arguments;
                deltas.push(Delta::ToolArguments { index, json });
            }
        }
        deltas.push(Delta::Finish(self.finish.unwrap_or(FinishReason::Other)));
        deltas.extend(self.usage.map(Delta::Usage));
        deltas.push(Delta::End);
        deltas
    }

    /// Adds a step of a stream.
    pub(crate) fn add(&mut self, delta: Delta) {
        match delta {
            Delta::Start { id, model } => {
                self.id = id;
                self.model = model;
            }
            Delta::Text(text) => self.text += &text,
            Delta::Reasoning(text) => self.reasoning += &text,
            Delta::Signature(seal) => self.signature += &seal,
            Delta::Refusal(text) => self.refusal += &text,
            Delta::ToolCall { id, name, .. } => self.tool_calls.push(ToolCall::new(id, name, "")),
            Delta::ToolArguments { index, json } => {
                if let Some(call) = self.tool_calls.get_mut(index as usize) {
                    call.function.arguments += &json;
                }
            }
            Delta::ToolExtra { index, extra } => {
                if let Some(call) = self.tool_calls.get_mut(index as usize) {
                    call.extra.extend(extra);
                }
            }
            Delta::Finish(reason) => self.finish = Some(reason),
            Delta::Usage(usage) => self.usage = Some(usage),
            Delta::End => {}
        }
    }
}
