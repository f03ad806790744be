use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    chat::{Message, Role},
    dialect::content::{Called, Content, arguments, contents, refuse},
    error::Error,
};

/// A message.
#[derive(Debug, Default, Serialize)]
pub(super) struct Said<'a> {
    role: &'a str,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Call<'a> {
    id: &'a str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a RawValue,
}

pub(super) fn write(messages: &[Message]) -> Result<Vec<Said<'_>>, Error> {
    let mut called = Called::default();
    let mut written = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        let mut said = Said {
            role: match &message.role {
                Role::System | Role::Developer => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::Tool => "tool",
                // Templates may know it.
                Role::Other(role) => role,
            },
            ..Said::default()
        };
        for (at, content) in contents(message, index)?.into_iter().enumerate() {
            said.add(content)
                .map_err(|why| refuse(why, format!("messages[{index}].content[{at}]")))?;
        }
        match message.role {
            Role::Assistant => {
                let thinking = ["reasoning_content", "reasoning"].into_iter();
                said.thinking = thinking
                    .filter_map(|name| message.extra.get(name)?.as_str())
                    .find(|text| !text.is_empty());
                said.tool_calls = calls(message, index)?;
                called.learn(message);
            }
            Role::Tool => {
                said.tool_name = called.name(message);
                said.tool_call_id = message.tool_call_id.as_deref();
            }
            _ => {}
        }
        written.push(said);
    }
    Ok(written)
}

fn calls(message: &Message, index: usize) -> Result<Vec<Call<'_>>, Error> {
    let calls = message.tool_calls.iter().enumerate();
    let calls = calls.map(|(at, call)| {
        let place = format!("messages[{index}].tool_calls[{at}].function.arguments");
        Ok(Call {
            id: &call.id,
            function: Function {
                name: &call.function.name,
                arguments: arguments(&call.function.arguments, &place)?,
            },
        })
    });
    calls.collect()
}

// ===== impl Said =====

impl<'a> Said<'a> {
    fn add(&mut self, content: Content<'a>) -> Result<(), &'static str> {
        match content {
            Content::Text(text) => self.content.push_str(text),
            Content::Inline { mime, base64 } if mime.starts_with("image/") => {
                self.images.push(base64);
            }
            Content::Inline { .. } => return Err("Ollama takes text and images"),
            Content::Linked(_) => return Err("Ollama takes images as data: addresses only"),
        }
        Ok(())
    }
}
