//! Streams of this interface for callers of another dialect.

use serde::Deserialize;
use serde_json::Value;

use super::{
    error_in,
    verbatim::{CHUNK, DONE, Ends, interrupted, object},
    wire,
};
use crate::{
    chat::{Message, Role},
    dialect::{codec::Parse, filled, ids::Ids, neutral::Delta},
    error::Error,
    stream::Frame,
};

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    object: Option<String>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<Value>,
    #[serde(default)]
    x_groq: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: Option<u32>,
    #[serde(default)]
    delta: Option<Said>,
    #[serde(default, deserialize_with = "filled")]
    finish_reason: Option<String>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Option<Value>,
    #[serde(default)]
    reasoning_content: Option<String>,
    #[serde(default)]
    reasoning: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Call>>,
    #[serde(default)]
    function_call: Option<Function>,
}

#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    index: Option<u32>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<Value>,
}

/// Reads chunks. Of several choices the first counts, as the other dialects have but one.
#[derive(Debug)]
pub(crate) struct Parser {
    started: bool,
    ends: Ends,
    done: bool,
    /// The calls that have begun, in their order.
    calls: Vec<Begun>,
    ids: Ids,
}

/// A call that has begun.
#[derive(Debug)]
struct Begun {
    /// The server's number of it.
    number: u32,
    /// The server's name of it; empty where it gave none.
    id: String,
}

/// Reads a stream of one choice.
pub(crate) fn parser() -> Parser {
    Parser {
        started: false,
        ends: Ends::new(1),
        done: false,
        calls: Vec::new(),
        ids: Ids::default(),
    }
}

// ===== impl Parser =====

impl Parser {
    fn chunk(&mut self, frame: &Frame, deltas: &mut Vec<Delta>) -> Result<(), Error> {
        let chunk: Chunk = object(CHUNK, &frame.data)?;
        let mut choices = chunk.choices.unwrap_or_default();
        let failed = given(chunk.error.as_ref())
            || chunk.object.as_deref() == Some("error")
            || choices.iter().any(|choice| given(choice.error.as_ref()));
        if failed {
            return Err(error_in(&frame.data));
        }
        if !self.started {
            self.started = true;
            deltas.push(Delta::Start {
                id: chunk.id.unwrap_or_default(),
                model: chunk.model.unwrap_or_default(),
            });
        }
        let first = choices
            .iter_mut()
            .find(|choice| choice.index.unwrap_or(0) == 0);
        if let Some(said) = first.and_then(|choice| choice.delta.take()) {
            self.said(said, deltas);
        }
        let groq = || chunk.x_groq.as_ref()?.get("usage");
        let usage = chunk.usage.as_ref().filter(|usage| !usage.is_null());
        let usage = usage.or_else(groq);
        // A report counts for what its chunk says too.
        if let Some(Ok(usage)) = usage.map(wire::Usage::deserialize) {
            deltas.push(Delta::Usage(usage.taken()));
        }
        let first = choices.iter().find(|choice| choice.index.unwrap_or(0) == 0);
        if let Some(reason) = first.and_then(|choice| choice.finish_reason.as_ref()) {
            let failed = || wire::failure(reason, &frame.data);
            let reason = wire::finish(reason).ok_or_else(failed)?;
            if !self.ends.all() {
                deltas.push(Delta::Finish(reason));
            }
            self.ends.add(1);
        }
        Ok(())
    }

    fn said(&mut self, said: Said, deltas: &mut Vec<Delta>) {
        let text = match said.content {
            Some(Value::String(text)) => text,
            Some(parts @ Value::Array(_)) => {
                let mut message = Message::new(Role::Assistant, "");
                message.content = parts;
                message.text()
            }
            _ => String::new(),
        };
        let reasoning = said.reasoning_content.or(said.reasoning);
        push(deltas, reasoning, Delta::Reasoning);
        push(deltas, Some(text), Delta::Text);
        push(deltas, said.refusal, Delta::Refusal);
        let calls = said.tool_calls.unwrap_or_default();
        for (place, call) in calls.into_iter().enumerate() {
            self.call(place, call, deltas);
        }
        if let Some(function) = said.function_call {
            let call = Call {
                index: Some(0),
                id: None,
                function: Some(function),
            };
            self.call(0, call, deltas);
        }
    }

    /// A call that begins, or goes on. Servers that send calls whole may leave out their number: a name is then a new call.
    /// Others give all calls the same number: another id is then a new call.
    fn call(&mut self, place: usize, call: Call, deltas: &mut Vec<Delta>) {
        let function = call.function.unwrap_or(Function {
            name: None,
            arguments: None,
        });
        let name = function.name.unwrap_or_default();
        let number = call.index.unwrap_or_else(|| match name.as_str() {
            "" => self.calls.last().map_or(0, |last| last.number),
            _ => self.calls.len().max(place) as u32,
        });
        let id = call.id.unwrap_or_default();
        let known = self.calls.iter().rposition(|known| {
            known.number == number && (id.is_empty() || known.id.is_empty() || known.id == id)
        });
        let index = match known {
            Some(at) => at as u32,
            None => {
                self.calls.push(Begun {
                    number,
                    id: id.clone(),
                });
                let (index, id) = self.ids.call(Some(id));
                deltas.push(Delta::ToolCall { index, id, name });
                index
            }
        };
        let json = match function.arguments {
            Some(Value::String(json)) => json,
            Some(Value::Null) | None => String::new(),
            Some(value) => value.to_string(),
        };
        if !json.is_empty() {
            deltas.push(Delta::ToolArguments { index, json });
        }
    }
}

fn given(value: Option<&Value>) -> bool {
    value.is_some_and(|value| !value.is_null())
}

fn push(deltas: &mut Vec<Delta>, text: Option<String>, delta: impl Fn(String) -> Delta) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        deltas.push(delta(text));
    }
}

impl Parse for Parser {
    fn frame(&mut self, frame: &Frame, deltas: &mut Vec<Delta>) -> Result<(), Error> {
        if self.done {
            return Ok(());
        }
        if &*frame.event == b"error" {
            return Err(error_in(&frame.data));
        }
        let data = frame.data.trim_ascii();
        if data == DONE {
            self.done = true;
            deltas.push(Delta::End);
        } else if !data.is_empty() {
            self.chunk(frame, deltas)?;
        }
        Ok(())
    }

    fn end(&mut self, deltas: &mut Vec<Delta>) -> Result<(), Error> {
        if self.done {
            return Ok(());
        }
        if !self.ends.all() {
            return Err(interrupted());
        }
        self.done = true;
        deltas.push(Delta::End);
        Ok(())
    }
}
