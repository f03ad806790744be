//! Whole answers.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    error,
    read::Message,
    wire::{self, Told, stop_reason},
    write::{self, Block},
};
use crate::{
    chat::ToolCall,
    dialect::{ids::Ids, neutral::Whole},
    error::{Class, Error},
};

/// Reads a whole answer. Texts are joined, and so are thoughts; the last signature counts. What is no text, thinking or call of
/// a tool is left out.
///
/// # Errors
///
/// [`Class::Malformed`] where it is no message, and what an error means that comes with a status of success.
pub(crate) fn whole(body: Bytes) -> Result<Whole, Error> {
    let answer: Message<'_> = serde_json::from_slice(&body).map_err(|error| {
        let message = format!("the answer is no message of Anthropic's interface: {error}");
        Error::new(Class::Malformed, message)
    })?;
    if answer.kind == "error" {
        return Err(error::of_event(&body));
    }
    let Some(parts) = answer.content else {
        let message = "the answer is no message of Anthropic's interface: it has no content";
        return Err(Error::new(Class::Malformed, message));
    };
    let mut whole = Whole {
        id: answer.id,
        model: answer.model,
        finish: answer.stop_reason.as_deref().map(wire::finish),
        usage: answer.usage.map(|counts| counts.usage()),
        ..Whole::default()
    };
    for part in parts {
        match &part.kind[..] {
            "text" => whole.text += part.text.as_deref().unwrap_or(""),
            "thinking" => {
                whole.reasoning += part.thinking.as_deref().unwrap_or("");
                if let Some(signature) = part.signature.filter(|signature| !signature.is_empty()) {
                    whole.signature = signature;
                }
            }
            "tool_use" => {
                let input = part.input.map_or("{}", RawValue::get);
                whole.tool_calls.push(ToolCall::new(
                    part.id.unwrap_or_default(),
                    part.name.unwrap_or_default(),
                    input,
                ));
            }
            _ => whole.beside = true,
        }
    }
    Ok(whole)
}

/// Writes a whole answer: thinking, text (of a refusal too), calls of tools. Arguments that are no JSON object become one, in
/// a field `arguments`.
pub(crate) fn render_whole(whole: &Whole) -> Bytes {
    let inputs: Vec<Cow<'_, RawValue>> = whole
        .tool_calls
        .iter()
        .map(|call| input(&call.function.arguments))
        .collect();
    let mut content = Vec::new();
    if !whole.reasoning.is_empty() || !whole.signature.is_empty() {
        content.push(Block::Thinking {
            thinking: &whole.reasoning,
            signature: &whole.signature,
        });
    }
    let texts = [&whole.text, &whole.refusal].into_iter();
    content.extend(
        texts
            .filter(|text| !text.is_empty())
            .map(|text| Block::Text { text }),
    );
    content.extend(
        whole
            .tool_calls
            .iter()
            .zip(&inputs)
            .map(|(call, input)| Block::ToolUse {
                id: &call.id,
                name: &call.function.name,
                input: Some(input),
            }),
    );
    let message = write::Message {
        id: &id(&whole.id),
        kind: "message",
        role: "assistant",
        model: &whole.model,
        content,
        stop_reason: Some(stop_reason(
            whole.finish,
            !whole.tool_calls.is_empty(),
            !whole.refusal.is_empty(),
        )),
        stop_sequence: None,
        usage: Told::new(&whole.usage.unwrap_or_default()),
    };
    write::json(&message).into()
}

/// The provider's name of an answer, or one of our own where it has none.
pub(super) fn id(given: &str) -> Cow<'_, str> {
    match given {
        "" => Cow::Owned(Ids::default().message()),
        id => Cow::Borrowed(id),
    }
}

/// Arguments as an object.
fn input(arguments: &str) -> Cow<'_, RawValue> {
    #[derive(serde::Serialize)]
    struct Other<'a> {
        arguments: &'a str,
    }
    let arguments = match arguments.trim() {
        "" => "{}",
        arguments => arguments,
    };
    match serde_json::from_str::<&RawValue>(arguments) {
        Ok(json) if arguments.starts_with('{') => Cow::Borrowed(json),
        _ => Cow::Owned(
            to_raw_value(&Other { arguments }).unwrap_or_else(|_| RawValue::NULL.to_owned()),
        ),
    }
}
