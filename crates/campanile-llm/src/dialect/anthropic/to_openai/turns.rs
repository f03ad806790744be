//! Turns as messages.

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::super::request::{invalid, read};
use crate::{
    chat::{Message, Role, ToolCall},
    error::Error,
    json::Object,
    provider::PastReasoning,
};

#[derive(Deserialize)]
struct Turn<'a> {
    role: String,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    title: Option<String>,
    source: Option<Source>,
    id: Option<String>,
    name: Option<String>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    tool_use_id: Option<String>,
    is_error: Option<bool>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Source {
    #[serde(rename = "type")]
    kind: String,
    media_type: Option<String>,
    data: Option<String>,
    url: Option<String>,
}

/// The messages of a request: what the system says first.
pub(super) fn messages(from: &Object, past: PastReasoning) -> Result<Vec<Message>, Error> {
    let mut messages = Vec::new();
    if let Some(system) = read::<&RawValue>(from, "system")? {
        messages.extend(told("system", Role::System, system)?);
    }
    let turns = read::<Vec<Turn<'_>>>(from, "messages")?.unwrap_or_default();
    for (place, turn) in turns.iter().enumerate() {
        let at = format!("messages[{place}]");
        match &turn.role[..] {
            "user" => user(&at, turn.content, &mut messages)?,
            "assistant" => messages.push(assistant(&at, turn.content, past)?),
            "system" => messages.extend(told(&at, Role::System, turn.content)?),
            role => {
                let message = format!("{at} is of the role {role:?}: user, assistant or system");
                return Err(invalid(format!("{at}.role"), message));
            }
        }
    }
    Ok(messages)
}

/// A message of text alone.
fn told(at: &str, role: Role, content: &RawValue) -> Result<Option<Message>, Error> {
    let mut parts = Vec::new();
    for (place, block) in blocks(at, content)?.into_iter().enumerate() {
        match (&block.kind[..], block.text) {
            ("text", Some(text)) => parts.push(text_part(&text)),
            (kind, _) => {
                let at = format!("{at}[{place}]");
                let message = format!("{at} is of type {kind}: the system has only text");
                return Err(invalid(at, message));
            }
        }
    }
    Ok(message(role, parts))
}

/// Answers of tools are messages of their own, before whatever else is in the turn. Those are only text elsewhere: images in
/// them go into the message that follows.
fn user(at: &str, content: &RawValue, messages: &mut Vec<Message>) -> Result<(), Error> {
    let mut shown = Vec::new();
    let mut parts = Vec::new();
    for (place, block) in blocks(at, content)?.into_iter().enumerate() {
        let at = format!("{at}.content[{place}]");
        if block.kind != "tool_result" {
            parts.push(part(&at, block)?);
            continue;
        }
        let Some(id) = block.tool_use_id else {
            let message = format!("{at} has no tool_use_id");
            return Err(invalid(format!("{at}.tool_use_id"), message));
        };
        let mut text = String::new();
        if block.is_error == Some(true) {
            text.push_str("Error: ");
        }
        let within = block.content.map(|content| blocks(&at, content));
        for (place, block) in within.transpose()?.into_iter().flatten().enumerate() {
            match part(&format!("{at}.content[{place}]"), block)? {
                part if part["type"] == "text" => text += part["text"].as_str().unwrap_or(""),
                part => shown.push(part),
            }
        }
        messages.push(Message::tool(id, text));
    }
    shown.extend(parts);
    messages.extend(message(Role::User, shown));
    Ok(())
}

/// What only Anthropic can read again is left out: redacted thinking, and tools that it ran itself.
fn assistant(at: &str, content: &RawValue, past: PastReasoning) -> Result<Message, Error> {
    let (mut text, mut thinking, mut signature) = (String::new(), String::new(), None);
    let mut calls = Vec::new();
    for (place, block) in blocks(at, content)?.into_iter().enumerate() {
        match &block.kind[..] {
            "text" => text += block.text.as_deref().unwrap_or(""),
            "thinking" => {
                thinking += block.thinking.as_deref().unwrap_or("");
                signature = block.signature.or(signature);
            }
            "tool_use" => {
                let (Some(id), Some(name)) = (block.id, block.name) else {
                    let at = format!("{at}.content[{place}]");
                    let message = format!("{at} has no id or no name");
                    return Err(invalid(at, message));
                };
                let input = block.input.map_or("{}", RawValue::get);
                calls.push(ToolCall::new(id, name, input));
            }
            _ => {}
        }
    }
    let mut message = Message::assistant(text);
    if !calls.is_empty() && message.text().is_empty() {
        message.content = Value::Null;
    }
    message.tool_calls = calls;
    let signature = signature.filter(|_| past == PastReasoning::Sealed);
    let said = !thinking.is_empty() && past != PastReasoning::LeftOut;
    if said || signature.is_some() {
        message
            .extra
            .insert("reasoning_content".to_owned(), thinking.into());
    }
    if let Some(signature) = signature {
        message
            .extra
            .insert("reasoning_signature".to_owned(), signature.into());
    }
    Ok(message)
}

fn blocks<'a>(at: &str, content: &'a RawValue) -> Result<Vec<Block<'a>>, Error> {
    let wrong = |error: serde_json::Error| invalid(at, format!("{at}.content: {error}"));
    if content.get().starts_with('"') {
        let text = serde_json::from_str::<String>(content.get()).map_err(wrong)?;
        return Ok(vec![Block::text(text)]);
    }
    serde_json::from_str(content.get()).map_err(wrong)
}

/// A part of a message of OpenAI's dialect.
fn part(at: &str, block: Block<'_>) -> Result<Value, Error> {
    let source = block
        .source
        .map(|source| (source.kind, source.media_type, source.data, source.url));
    let file = |data: String, name: Option<String>| {
        let filename = name.unwrap_or_else(|| "document.pdf".to_owned());
        json!({"type": "file", "file": {"filename": filename, "file_data": data}})
    };
    let inline = |media_type: String, data: String| format!("data:{media_type};base64,{data}");
    let image = |url: String| json!({"type": "image_url", "image_url": {"url": url}});
    match (&block.kind[..], block.text, source) {
        ("text", Some(text), _) => Ok(text_part(&text)),
        ("image", _, Some((kind, Some(media), Some(data), _))) if kind == "base64" => {
            Ok(image(inline(media, data)))
        }
        ("image", _, Some((kind, _, _, Some(url)))) if kind == "url" => Ok(image(url)),
        ("document", _, Some((kind, Some(media), Some(data), _))) if kind == "base64" => {
            Ok(file(inline(media, data), block.title))
        }
        ("document", _, Some((kind, _, Some(text), _))) if kind == "text" => Ok(text_part(&text)),
        (kind, ..) => {
            let message = format!(
                "{at} of type {kind}, or where it comes from, has no counterpart in OpenAI's dialect"
            );
            Err(invalid(at, message))
        }
    }
}

fn text_part(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// A message of parts; of one text the text itself, which every server takes.
fn message(role: Role, parts: Vec<Value>) -> Option<Message> {
    let mut message = Message::new(role, "");
    message.content = match &parts[..] {
        [] => return None,
        [part] if part["type"] == "text" => part["text"].clone(),
        _ => Value::Array(parts),
    };
    Some(message)
}

impl Block<'_> {
    fn text(text: String) -> Self {
        Self {
            kind: "text".to_owned(),
            text: Some(text),
            thinking: None,
            signature: None,
            title: None,
            source: None,
            id: None,
            name: None,
            input: None,
            tool_use_id: None,
            is_error: None,
            content: None,
        }
    }
}
