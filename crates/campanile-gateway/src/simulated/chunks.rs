//! The events of a streamed answer, one after the other.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Said},
    text::piece,
};

/// The events of an answer that are still to come.
#[derive(Debug)]
pub(super) struct Chunks {
    id: String,
    created: u64,
    model: String,
    answer: Answer,
    /// Whether usage is told.
    usage: bool,
    /// How much of the text has been written, in bytes.
    written: usize,
    next: Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Begin,
    Text,
    Finish,
    Usage,
    Done,
    Nothing,
}

// ===== impl Chunks =====

impl Chunks {
    pub(super) fn new(id: String, created: u64, model: &str, answer: Answer, usage: bool) -> Self {
        Self {
            id,
            created,
            model: model.to_owned(),
            answer,
            usage,
            written: 0,
            next: Next::Begin,
        }
    }

    /// Whether the next event has a piece of the text.
    pub(super) fn at_text(&self) -> bool {
        self.next == Next::Text
    }

    pub(super) fn is_over(&self) -> bool {
        self.next == Next::Nothing
    }

    /// The next event; `None` after the last.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let event = match self.next {
            Next::Begin => {
                self.next = match self.answer.said.text() {
                    "" => Next::Finish,
                    _ => Next::Text,
                };
                self.delta(&self.first(), Value::Null)
            }
            Next::Text => {
                let text = &self.answer.said.text()[self.written..];
                let (now, rest) = text.split_at(piece(text));
                if rest.is_empty() {
                    self.next = Next::Finish;
                }
                let delta = match &self.answer.said {
                    Said::Text(_) => json!({ "content": now }),
                    Said::Call { .. } => json!({
                        "tool_calls": [{ "index": 0, "function": { "arguments": now } }],
                    }),
                };
                self.written += now.len();
                self.delta(&delta, Value::Null)
            }
            Next::Finish => {
                self.next = if self.usage { Next::Usage } else { Next::Done };
                self.delta(&json!({}), self.answer.finish.into())
            }
            Next::Usage => {
                self.next = Next::Done;
                self.event(&json!([]), Some(self.answer.usage()))
            }
            Next::Done => {
                self.next = Next::Nothing;
                Bytes::from_static(b"data: [DONE]\n\n")
            }
            Next::Nothing => return None,
        };
        Some(event)
    }

    fn first(&self) -> Value {
        match &self.answer.said {
            Said::Text(_) => json!({ "role": "assistant", "content": "", "refusal": null }),
            Said::Call { id, call } => json!({
                "role": "assistant",
                "content": null,
                "tool_calls": [{
                    "index": 0,
                    "id": id,
                    "type": "function",
                    "function": { "name": call.name, "arguments": "" },
                }],
            }),
        }
    }

    fn delta(&self, delta: &Value, finish: Value) -> Bytes {
        let choice =
            json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish });
        self.event(&json!([choice]), None)
    }

    fn event(&self, choices: &Value, usage: Option<Value>) -> Bytes {
        let mut event = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        // As OpenAI does: empty in all events but the one that tells it.
        if self.usage {
            event["usage"] = usage.unwrap_or(Value::Null);
        }
        format!("data: {event}\n\n").into()
    }
}
