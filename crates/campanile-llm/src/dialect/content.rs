//! What messages in OpenAI's dialect are made of, for interfaces that write them differently.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::{Value, value::RawValue};

use crate::{
    chat::{ChatRequest, Message},
    error::{Class, Error},
};

#[cfg(test)]
mod tests;

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content<'a> {
    Text(&'a str),
    /// An image, a sound or a document, as base64.
    Inline {
        mime: String,
        base64: &'a str,
    },
    /// The same, somewhere else.
    Linked(&'a str),
}

/// A tool as it is offered. Its schema stays as it was written: the order of properties is part of what a model reads.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Offered<'a> {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(borrow)]
    pub(super) function: Option<OfferedFunction<'a>>,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct OfferedFunction<'a> {
    pub(super) name: String,
    pub(super) description: Option<String>,
    #[serde(borrow)]
    pub(super) parameters: Option<&'a RawValue>,
}

/// The names of the tools that were called so far, by the names of the calls.
#[derive(Debug, Default)]
pub(super) struct Called<'a> {
    names: HashMap<&'a str, &'a str>,
}

/// A request that cannot be sent to this interface: what is wrong, and where.
pub(super) fn refuse(message: impl Into<String>, place: impl Into<String>) -> Error {
    Error::new(Class::Request, message)
        .with_status(400)
        .with_kind("invalid_request_error")
        .with_param(place)
}

/// A field of the request; `None` where there is none, or `null`.
pub(super) fn field<T: DeserializeOwned>(
    request: &ChatRequest,
    name: &'static str,
) -> Result<Option<T>, Error> {
    let value = request.object().get(name);
    value.map_or(Ok(None), |value| {
        serde_json::from_slice(value).map_err(|error| refuse(format!("{name}: {error}"), name))
    })
}

/// A field of the request as it was written.
pub(super) fn raw<'a>(request: &'a ChatRequest, name: &str) -> Option<&'a RawValue> {
    let value = request.object().get(name)?;
    let value: &RawValue = serde_json::from_slice(value).ok()?;
    (value.get() != "null").then_some(value)
}

/// The tools that are offered.
pub(super) fn offered(request: &ChatRequest) -> Result<Vec<Offered<'_>>, Error> {
    let tools = request.object().get("tools");
    let tools: Option<Vec<Offered<'_>>> = tools.map_or(Ok(None), |tools| {
        serde_json::from_slice(tools).map_err(|error| refuse(format!("tools: {error}"), "tools"))
    })?;
    Ok(tools.unwrap_or_default())
}

/// A list of texts, or one text alone: how stop sequences are written.
pub(super) fn texts(request: &ChatRequest, name: &'static str) -> Result<Vec<String>, Error> {
    match field(request, name)? {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(list) => serde_json::from_value(list)
            .map_err(|_| refuse(format!("{name} is a text, or a list of texts"), name)),
    }
}

/// One answer is all that the other interfaces give.
pub(super) fn one_answer(request: &ChatRequest, whose: &str) -> Result<(), Error> {
    match field::<u64>(request, "n")? {
        None | Some(1) => Ok(()),
        Some(n) => Err(refuse(
            format!("n is {n}: {whose} gives one answer to a request"),
            "n",
        )),
    }
}

/// The arguments of a call, as the object that they must be. Nothing is an empty one.
pub(super) fn arguments<'a>(arguments: &'a str, place: &str) -> Result<&'a RawValue, Error> {
    let arguments = match arguments.trim() {
        "" => "{}",
        arguments => arguments,
    };
    object(arguments).ok_or_else(|| {
        refuse(
            "the arguments of a call are a JSON object",
            place.to_owned(),
        )
    })
}

/// A text that is a JSON object, as it is.
pub(super) fn object(text: &str) -> Option<&RawValue> {
    let text = text.trim();
    text.starts_with('{')
        .then(|| serde_json::from_str(text).ok())?
}

/// What a message says. `index` is its place in the request.
pub(super) fn contents(message: &Message, index: usize) -> Result<Vec<Content<'_>>, Error> {
    match &message.content {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Content::Text(text)]),
        Value::Array(parts) => {
            let mut contents = Vec::with_capacity(parts.len());
            for (at, part) in parts.iter().enumerate() {
                let place = || format!("messages[{index}].content[{at}]");
                match content(part).map_err(|why| refuse(why, place()))? {
                    Content::Text("") => {}
                    content => contents.push(content),
                }
            }
            Ok(contents)
        }
        _ => Err(refuse(
            "the content of a message is a text, or a list of parts",
            format!("messages[{index}].content"),
        )),
    }
}

fn content(part: &Value) -> Result<Content<'_>, String> {
    let kind = part["type"].as_str();
    let kind = kind.ok_or("a part of a message names its type")?;
    let at = |path: &str| part.pointer(path).and_then(Value::as_str);
    let missing = |field: &str| format!("a part of type {kind} has {field}");
    match kind {
        "text" | "input_text" | "output_text" => at("/text")
            .map(Content::Text)
            .ok_or_else(|| missing("text")),
        "refusal" => at("/refusal")
            .map(Content::Text)
            .ok_or_else(|| missing("refusal")),
        "image_url" => {
            let url = at("/image_url/url").or_else(|| at("/image_url"));
            medium(url.ok_or_else(|| missing("image_url.url"))?)
        }
        "input_audio" => {
            let format = at("/input_audio/format").unwrap_or("wav");
            let data = at("/input_audio/data").ok_or_else(|| missing("input_audio.data"))?;
            Ok(Content::Inline {
                mime: format!("audio/{format}"),
                base64: data,
            })
        }
        "file" => match at("/file/file_data") {
            Some(data) => medium(data),
            None => Err("a file goes as file.file_data, a data: address".to_owned()),
        },
        _ => Err(format!("a part of type {kind} cannot be translated")),
    }
}

fn medium(url: &str) -> Result<Content<'_>, String> {
    let is_data = url
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    if !is_data {
        return Ok(Content::Linked(url));
    }
    let (head, base64) = url[5..]
        .split_once(',')
        .ok_or("a data: address has a comma")?;
    let mut head = head.split(';');
    let mime = head.next().unwrap_or_default().trim();
    if mime.is_empty() {
        return Err("a data: address names its type".to_owned());
    }
    if !head.any(|word| word.trim().eq_ignore_ascii_case("base64")) {
        return Err("a data: address is base64".to_owned());
    }
    Ok(Content::Inline {
        mime: mime.to_ascii_lowercase(),
        base64,
    })
}

// ===== impl Called =====

impl<'a> Called<'a> {
    /// Remembers the calls of a message.
    pub(super) fn learn(&mut self, message: &'a Message) {
        for call in &message.tool_calls {
            self.names.insert(&call.id, &call.function.name);
        }
    }

    /// Whose answer a message is, by the call that it names, or else by the name that it has itself.
    pub(super) fn name(&self, message: &'a Message) -> Option<&'a str> {
        let id = message.tool_call_id.as_deref();
        let called = id.and_then(|id| self.names.get(id).copied());
        called.or_else(|| message.extra.get("name")?.as_str())
    }
}
