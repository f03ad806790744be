use std::borrow::Cow;

use campanile_llm::chat::ChatRequest;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::counter::Counter;

/// What every message takes beside its fields.
const MESSAGE: u64 = 3;
/// What a name takes beside its text.
const NAME: u64 = 1;
/// What the answer begins with.
const ANSWER: u64 = 3;
/// What an image, a sound or a document is taken to be: as in `campanile-llm`.
const MEDIA: u64 = 1_600;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Counts a prompt. `None` when its messages are not what the dialect says, which the provider will tell.
pub(crate) fn count(request: &ChatRequest, counter: &mut Counter) -> Option<()> {
    let object = request.object();
    if let Some(system) = object.get("system") {
        counter.add(MESSAGE);
        counter.text("system");
        content(std::str::from_utf8(system).ok()?, counter)?;
    }
    let messages = object.get("messages")?;
    let messages: Vec<Message<'_>> = serde_json::from_slice(messages).ok()?;
    for message in &messages {
        counter.add(MESSAGE);
        if let Some(role) = &message.role {
            counter.text(role);
        }
        if let Some(name) = &message.name {
            counter.add(NAME);
            counter.text(name);
        }
        if let Some(said) = message.content {
            content(said.get(), counter)?;
        }
        if let Some(calls) = message.tool_calls {
            counter.text(calls.get());
        }
    }
    for field in ["tools", "functions", "response_format"] {
        if let Some(json) = object.get(field) {
            counter.text(std::str::from_utf8(json).ok()?);
        }
    }
    counter.add(ANSWER);
    Some(())
}

/// Text, or a list of parts, or nothing.
fn content(json: &str, counter: &mut Counter) -> Option<()> {
    match json.as_bytes().first()? {
        b'"' => {
            let Text(text) = serde_json::from_str(json).ok()?;
            counter.text(&text);
        }
        b'[' => {
            let parts: Vec<Part<'_>> = serde_json::from_str(json).ok()?;
            for part in parts {
                match part.text {
                    Some(Text(text)) => counter.text(&text),
                    None => counter.add(MEDIA),
                }
            }
        }
        _ => {}
    }
    Some(())
}
