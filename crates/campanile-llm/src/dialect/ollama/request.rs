use http::HeaderMap;
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::messages::{self, Said};
use crate::{
    chat::ChatRequest,
    dialect::{
        content::{field, offered, one_answer, raw, refuse, texts},
        dispatch::Outgoing,
    },
    error::{Class, Error},
};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Said<'a>>,
    /// Always said: it is true where nothing is.
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Vec<&'a RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    options: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<Value>,
    truncate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    shift: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<&'a RawValue>,
}

pub(super) fn write(request: &ChatRequest, model: &str) -> Result<Outgoing, Error> {
    one_answer(request, "Ollama")?;
    let messages = request.messages()?;
    let body = Body {
        model,
        messages: messages::write(&messages)?,
        stream: request.is_streamed(),
        tools: tools(request)?,
        format: format(request)?,
        options: options(request)?,
        think: think(request)?,
        truncate: field(request, "truncate")?.unwrap_or(false),
        shift: field(request, "shift")?,
        keep_alive: raw(request, "keep_alive"),
    };
    let body = serde_json::to_vec(&body).map_err(|error| {
        Error::new(Class::Request, "the request cannot be written").with_source(error)
    })?;
    Ok(Outgoing {
        path: "/api/chat".to_owned(),
        body: body.into(),
        headers: HeaderMap::new(),
    })
}

/// The tools that may be called, as they were written.
fn tools(request: &ChatRequest) -> Result<Option<Vec<&RawValue>>, Error> {
    let Some(tools) = raw(request, "tools") else {
        return Ok(None);
    };
    let names = offered(request)?.into_iter();
    let names: Vec<_> = names
        .map(|tool| tool.function.map(|function| function.name))
        .collect();
    let mut tools: Vec<&RawValue> = serde_json::from_str(tools.get())
        .map_err(|error| refuse(format!("tools: {error}"), "tools"))?;
    let choice: Value = field(request, "tool_choice")?.unwrap_or_default();
    if choice == "none" {
        return Ok(None);
    }
    if let Some(only) = choice.pointer("/function/name").and_then(Value::as_str) {
        let mut names = names.iter();
        tools.retain(|_| {
            names
                .next()
                .is_some_and(|name| name.as_deref() == Some(only))
        });
        if tools.is_empty() {
            let message = format!("tool_choice names {only:?}, which is none of the tools");
            return Err(refuse(message, "tool_choice"));
        }
    }
    Ok((!tools.is_empty()).then_some(tools))
}

fn format(request: &ChatRequest) -> Result<Option<Box<RawValue>>, Error> {
    if let Some(format) = raw(request, "format") {
        return Ok(Some(format.to_owned()));
    }
    let place = "response_format";
    let Some(format) = field::<Value>(request, place)? else {
        return Ok(None);
    };
    match format["type"].as_str() {
        Some("text") => Ok(None),
        Some("json_object") => Ok(serde_json::value::to_raw_value("json").ok()),
        // The schema as it was written: models keep the order of its properties.
        Some("json_schema") => schema(request)
            .map(Some)
            .ok_or_else(|| refuse("json_schema has a schema", place)),
        _ => Err(refuse(
            "an answer is text, json_object or json_schema",
            place,
        )),
    }
}

fn schema(request: &ChatRequest) -> Option<Box<RawValue>> {
    #[derive(serde::Deserialize)]
    struct Format<'a> {
        #[serde(borrow)]
        json_schema: Schema<'a>,
    }
    #[derive(serde::Deserialize)]
    struct Schema<'a> {
        #[serde(borrow)]
        schema: &'a RawValue,
    }
    let format: Format<'_> = serde_json::from_str(raw(request, "response_format")?.get()).ok()?;
    Some(format.json_schema.schema.to_owned())
}

/// The caller's own options, and what is translated into others.
fn options(request: &ChatRequest) -> Result<Map<String, Value>, Error> {
    let mut options: Map<String, Value> = field(request, "options")?.unwrap_or_default();
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            options.entry(name).or_insert(value);
        }
    };
    add("num_predict", request.most_tokens().map(Value::from));
    for name in [
        "temperature",
        "top_p",
        "top_k",
        "seed",
        "presence_penalty",
        "frequency_penalty",
    ] {
        let number: Option<serde_json::Number> = field(request, name)?;
        add(name, number.map(Value::Number));
    }
    let stop = texts(request, "stop")?;
    add("stop", (!stop.is_empty()).then(|| json!(stop)));
    Ok(options)
}

fn think(request: &ChatRequest) -> Result<Option<Value>, Error> {
    if let Some(think) = field(request, "think")? {
        return Ok(Some(think));
    }
    let effort: Option<String> = field(request, "reasoning_effort")?;
    Ok(match effort.as_deref() {
        None => None,
        Some("none") => Some(json!(false)),
        // Models that know no levels take any for a yes.
        Some("minimal" | "low") => Some(json!("low")),
        Some("medium") => Some(json!("medium")),
        Some("high" | "xhigh" | "max") => Some(json!("high")),
        Some(effort) => {
            return Err(refuse(
                format!("{effort:?} is no effort that is known"),
                "reasoning_effort",
            ));
        }
    })
}
