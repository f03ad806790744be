//! Answers in this dialect, of providers that speak another interface.

use std::{collections::VecDeque, sync::Arc, time::SystemTime};

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{verbatim::units, wire};
use crate::{
    chat::{ChatEvent, Part, ToolCall},
    dialect::{
        codec::Render,
        dispatch::Asked,
        ids::Ids,
        neutral::{Delta, Whole},
    },
    usage::Tally,
};

/// Writes chunks.
#[derive(Debug)]
pub(crate) struct Renderer {
    id: String,
    model: Arc<str>,
    created: u64,
    usage: bool,
    started: bool,
}

#[derive(Serialize)]
struct Chunk<'a, D> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [Choice<D>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<wire::Usage>,
}

#[derive(Serialize)]
struct Choice<D> {
    index: u32,
    delta: D,
    finish_reason: Option<&'static str>,
}

/// A renderer for a caller who asked so.
pub(crate) fn renderer(asked: Asked) -> Renderer {
    Renderer {
        id: String::new(),
        model: asked.model,
        created: now(),
        usage: asked.usage,
        started: false,
    }
}

/// Writes a whole answer.
pub(crate) fn render_whole(whole: &Whole) -> Bytes {
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    let silent = whole.text.is_empty();
    let content = if silent {
        Value::Null
    } else {
        whole.text.as_str().into()
    };
    message.insert("content".to_owned(), content);
    if !whole.reasoning.is_empty() {
        message.insert(
            "reasoning_content".to_owned(),
            whole.reasoning.as_str().into(),
        );
    }
    if !whole.signature.is_empty() {
        message.insert(
            "reasoning_signature".to_owned(),
            whole.signature.as_str().into(),
        );
    }
    let refusal = whole.refusal.as_str();
    let refusal = if refusal.is_empty() {
        Value::Null
    } else {
        refusal.into()
    };
    message.insert("refusal".to_owned(), refusal);
    if !whole.tool_calls.is_empty() {
        message.insert("tool_calls".to_owned(), json!(whole.tool_calls));
    }
    let mut answer = json!({
        "id": id(&whole.id),
        "object": "chat.completion",
        "created": now(),
        "model": whole.model,
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": whole.finish.map_or("stop", wire::finish_name),
        }],
    });
    if let Some(usage) = &whole.usage {
        answer["usage"] = json!(wire::Usage::of(usage));
    }
    answer.to_string().into()
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The provider's id, or one of our own where it has none.
fn id(given: &str) -> String {
    match given {
        "" => Ids::default().answer(),
        id => id.to_owned(),
    }
}

// ===== impl Renderer =====

impl Renderer {
    fn frame<D: Serialize>(
        &self,
        choices: &[Choice<D>],
        usage: Option<wire::Usage>,
        part: Part,
        tally: &Tally,
    ) -> ChatEvent {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices,
            usage,
        };
        let mut frame = b"data: ".to_vec();
        // It is made of texts and numbers, which can be written.
        if serde_json::to_writer(&mut frame, &chunk).is_err() {
            debug_assert!(false, "a chunk that cannot be written");
        }
        let end = frame.len();
        frame.extend_from_slice(b"\n\n");
        ChatEvent::new(frame.into(), 6..end, part).with_tally(tally)
    }

    fn step<D: Serialize>(&self, delta: D, part: Part, tally: &Tally) -> ChatEvent {
        let choice = Choice {
            index: 0,
            delta,
            finish_reason: None,
        };
        self.frame(&[choice], None, part, tally)
    }

    fn start(&mut self, given: &str, tally: &Tally, events: &mut VecDeque<ChatEvent>) {
        if self.started {
            return;
        }
        self.started = true;
        self.id = id(given);
        let role = json!({"role": "assistant", "content": ""});
        events.push_back(self.step(role, Part::Idle, tally));
    }

    /// Something of one field.
    fn said(&self, name: &str, text: String, tally: &Tally) -> ChatEvent {
        let units = units(text.len() as u64);
        let delta = Map::from_iter([(name.to_owned(), Value::String(text))]);
        self.step(delta, Part::Content, tally).with_units(units)
    }
}

impl Render for Renderer {
    fn delta(&mut self, delta: Delta, tally: &Tally, events: &mut VecDeque<ChatEvent>) {
        if let Delta::Start { id, model } = delta {
            if !model.is_empty() {
                self.model = model.into();
            }
            return self.start(&id, tally, events);
        }
        if matches!(delta, Delta::Usage(_)) {
            // It is in the tally, and told at the end.
            return;
        }
        self.start("", tally, events);
        let event = match delta {
            Delta::Text(text) => self.said("content", text, tally),
            Delta::Reasoning(text) => self.said("reasoning_content", text, tally),
            Delta::Refusal(text) => self.said("refusal", text, tally),
            Delta::Signature(seal) => {
                let delta = json!({"reasoning_signature": seal});
                self.step(delta, Part::Idle, tally)
            }
            Delta::ToolCall { index, id, name } => {
                let units = units(name.len() as u64);
                let mut call = json!(ToolCall::new(id, name, ""));
                call["index"] = index.into();
                let delta = json!({"tool_calls": [call]});
                self.step(delta, Part::Content, tally).with_units(units)
            }
            Delta::ToolArguments { index, json: text } => {
                let units = units(text.len() as u64);
                let delta =
                    json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
                self.step(delta, Part::Content, tally).with_units(units)
            }
            Delta::ToolExtra { index, mut extra } => {
                extra.insert("index".to_owned(), index.into());
                let delta = json!({"tool_calls": [extra]});
                self.step(delta, Part::Idle, tally)
            }
            Delta::Finish(reason) => {
                let choice = Choice {
                    index: 0,
                    delta: Map::new(),
                    finish_reason: Some(wire::finish_name(reason)),
                };
                self.frame(&[choice], None, Part::Idle, tally)
                    .with_finish(Some(reason))
            }
            Delta::End => {
                if self.usage && tally.is_reported() {
                    let usage = wire::Usage::of(&tally.usage());
                    let none: &[Choice<()>] = &[];
                    events.push_back(self.frame(none, Some(usage), Part::Idle, tally));
                }
                ChatEvent::new(Bytes::from_static(b"data: [DONE]\n\n"), 6..12, Part::End)
                    .with_tally(tally)
            }
            Delta::Start { .. } | Delta::Usage(_) => return,
        };
        events.push_back(event);
    }
}
