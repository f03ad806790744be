//! Whole answers.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{error_in, verbatim::object, wire};
use crate::{
    chat::{ChatCompletion, Message, Role, ToolCall},
    dialect::{Dialect, filled, ids::Ids, neutral::Whole},
    error::Error,
    usage::Tally,
};

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    object: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    /// What cannot be read of it is as if it were not there.
    #[serde(default)]
    usage: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    message: Option<Said>,
    #[serde(default, deserialize_with = "filled")]
    finish_reason: Option<String>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Value,
    #[serde(default)]
    reasoning_content: Option<String>,
    #[serde(default)]
    reasoning: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Value>>,
    #[serde(default)]
    function_call: Option<Value>,
    #[serde(default)]
    audio: Option<Value>,
    #[serde(default)]
    images: Option<Vec<Value>>,
}

/// Reads an answer: its first choice, as the other dialects have but one.
pub(crate) fn whole(body: Bytes) -> Result<Whole, Error> {
    let answer = read(&body)?;
    let usage = answer.usage();
    let mut whole = Whole {
        id: answer.id.unwrap_or_default(),
        model: answer.model.unwrap_or_default(),
        usage,
        ..Whole::default()
    };
    let Some(choice) = answer.choices.into_iter().next() else {
        return Ok(whole);
    };
    whole.finish = choice.finish_reason.as_deref().and_then(wire::finish);
    if let Some(said) = choice.message {
        whole.text = said.text();
        whole.reasoning = said.thought().cloned().unwrap_or_default();
        whole.tool_calls = said.calls(Ids::of(&body)).collect();
        whole.refusal = said.refusal.unwrap_or_default();
    }
    Ok(whole)
}

/// Reads an answer that is passed on as it came. The tally has the estimate of the prompt.
pub(crate) fn completion(body: Bytes, mut tally: Tally) -> Result<ChatCompletion, Error> {
    let answer = read(&body)?;
    let mut empty = true;
    for said in answer
        .choices
        .iter()
        .filter_map(|choice| choice.message.as_ref())
    {
        tally.said(said.bytes());
        empty &= said.is_empty();
    }
    if let Some(usage) = answer.usage() {
        tally.report(&usage);
    }
    let finish = answer.choices.first();
    let finish = finish.and_then(|choice| choice.finish_reason.as_deref());
    Ok(ChatCompletion {
        dialect: Dialect::OpenAi,
        body,
        finish: finish.and_then(wire::finish),
        usage: tally.usage(),
        reported: tally.is_reported(),
        empty,
    })
}

/// The text of the first choice.
pub(crate) fn text(body: &Bytes) -> String {
    whole(body.clone()).map_or_else(|_| String::new(), |whole| whole.text)
}

/// The calls of tools in the first choice.
pub(crate) fn tool_calls(body: &Bytes) -> Vec<ToolCall> {
    whole(body.clone()).map_or_else(|_| Vec::new(), |whole| whole.tool_calls)
}

fn read(body: &Bytes) -> Result<Answer, Error> {
    let answer: Answer = object("the answer", body).map_err(|malformed| {
        // An error in an answer of success may have any form.
        let failed = serde_json::from_slice::<Map<String, Value>>(body);
        match failed.is_ok_and(|object| object.get("error").is_some_and(|error| !error.is_null())) {
            true => error_in(body),
            false => malformed,
        }
    })?;
    let failed = answer.error.as_ref().is_some_and(|error| !error.is_null())
        || answer.object.as_deref() == Some("error")
        || answer.choices.iter().any(Choice::failed);
    if failed {
        return Err(error_in(body));
    }
    let mut finish = answer
        .choices
        .iter()
        .flat_map(|choice| &choice.finish_reason);
    match finish.find(|reason| wire::fails(reason)) {
        Some(reason) => Err(wire::failure(reason, body)),
        None => Ok(answer),
    }
}

// ===== impl Answer =====

impl Answer {
    fn usage(&self) -> Option<campanile::Usage> {
        let usage = wire::Usage::deserialize(self.usage.as_ref()?).ok()?;
        Some(usage.taken())
    }
}

// ===== impl Choice =====

impl Choice {
    fn failed(&self) -> bool {
        self.error.as_ref().is_some_and(|error| !error.is_null())
    }
}

// ===== impl Said =====

impl Said {
    fn text(&self) -> String {
        let mut message = Message::new(Role::Assistant, "");
        message.content = self.content.clone();
        message.text()
    }

    fn thought(&self) -> Option<&String> {
        self.reasoning_content.as_ref().or(self.reasoning.as_ref())
    }

    /// The calls of tools, also as servers write them that leave out an id, or write arguments as an object.
    fn calls(&self, mut ids: Ids) -> impl Iterator<Item = ToolCall> {
        let old = self.function_call.iter().filter(|call| call.is_object());
        let old = old.map(|function| (None, function));
        let calls = self.tool_calls.iter().flatten();
        let calls = calls.filter_map(|call| Some((Some(call), call.get("function")?)));
        calls.chain(old).map(move |(call, function)| {
            let known = call.and_then(|call| ToolCall::deserialize(call).ok());
            let mut known = known.unwrap_or_else(|| {
                let name = function.get("name").and_then(Value::as_str).unwrap_or("");
                let arguments = match function.get("arguments") {
                    Some(Value::String(json)) => json.clone(),
                    Some(value) => value.to_string(),
                    None => String::new(),
                };
                ToolCall::new("", name, arguments)
            });
            known.id = ids.call(Some(known.id)).1;
            known
        })
    }

    /// Bytes of text, reasoning, refusal and calls.
    fn bytes(&self) -> u64 {
        let texts = [self.thought(), self.refusal.as_ref()];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let content = match &self.content {
            Value::String(text) => text.len(),
            Value::Null => 0,
            _ => self.text().len(),
        };
        let calls: usize = self
            .calls(Ids::default())
            .map(|call| call.function.name.len() + call.function.arguments.len())
            .sum();
        (texts + content + calls) as u64
    }

    fn is_empty(&self) -> bool {
        let something = matches!(&self.content, Value::Array(parts) if !parts.is_empty())
            || self
                .tool_calls
                .as_ref()
                .is_some_and(|calls| !calls.is_empty())
            || self.function_call.as_ref().is_some_and(Value::is_object)
            || self.audio.as_ref().is_some_and(Value::is_object)
            || self
                .images
                .as_ref()
                .is_some_and(|images| !images.is_empty());
        !something && self.bytes() == 0
    }
}
