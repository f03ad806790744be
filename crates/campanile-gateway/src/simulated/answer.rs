//! What is answered to a chat.

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    ask::Ask,
    hints::Hints,
    refusal::Refusal,
    schema::instance,
    text::{self, tokens},
    tool::{ToolCall, called},
};

/// An answer, before it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) said: Said,
    pub(super) finish: &'static str,
    pub(super) prompt_tokens: usize,
    pub(super) completion_tokens: usize,
}

/// Text, or a call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Text(String),
    Call { id: String, call: ToolCall },
}

// ===== impl Answer =====

impl Answer {
    /// An answer of about so many words, by the processor of this name.
    pub(super) fn to(ask: &Ask, name: &str, words: usize, rng: &mut Rng) -> Result<Self, Refusal> {
        let (said, finish) = match called(ask)? {
            Some(call) => {
                let id = format!("call_{:016x}", rng.u64(..));
                (Said::Call { id, call }, "tool_calls")
            }
            None => {
                let mut text = match formatted(ask, name) {
                    Some(value) => value.to_string(),
                    None => {
                        let (role, said) = ask.last();
                        text::answer(name, role, &said, words, rng)
                    }
                };
                let beyond = text::cut(&mut text, ask.limit(), ask.stops());
                (Said::Text(text), if beyond { "length" } else { "stop" })
            }
        };
        Ok(Self {
            completion_tokens: tokens(said.text()),
            said,
            finish,
            prompt_tokens: ask.prompt_tokens(),
        })
    }

    pub(super) fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        })
    }

    /// The whole answer.
    pub(super) fn body(&self, id: &str, created: u64, model: &str) -> Value {
        let message = match &self.said {
            Said::Text(text) => json!({ "role": "assistant", "content": text, "refusal": null }),
            Said::Call { id, call } => json!({
                "role": "assistant",
                "content": null,
                "refusal": null,
                "tool_calls": [{
                    "id": id,
                    "type": "function",
                    "function": { "name": call.name, "arguments": call.arguments },
                }],
            }),
        };
        json!({
            "id": id,
            "object": "chat.completion",
            "created": created,
            "model": model,
            "choices": [{
                "index": 0,
                "message": message,
                "logprobs": null,
                "finish_reason": self.finish,
            }],
            "usage": self.usage(),
        })
    }
}

/// What is answered where a form of JSON is asked for.
fn formatted(ask: &Ask, name: &str) -> Option<Value> {
    let format = ask.response_format.as_ref()?;
    match format["type"].as_str()? {
        "json_schema" => {
            let mut hints = Hints::of(&ask.prompt());
            Some(instance(&format["json_schema"]["schema"], &mut hints))
        }
        "json_object" => Some(json!({ "simulated_by": name, "you_said": ask.prompt() })),
        _ => None,
    }
}

// ===== impl Said =====

impl Said {
    /// What is written piece by piece.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Call { call, .. } => &call.arguments,
        }
    }
}
