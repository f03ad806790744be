//! A chat in this dialect, in OpenAI's: for providers that do not speak it.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use self::turns::messages;
use super::request::{effort_of_budget, invalid, read};
use crate::{
    chat::ChatRequest, dialect::Dialect, error::Error, json::Object, provider::PastReasoning,
};

mod turns;

#[derive(Deserialize)]
struct Tool {
    #[serde(rename = "type")]
    kind: Option<String>,
    name: String,
    description: Option<String>,
    input_schema: Option<Box<RawValue>>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    #[serde(default)]
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Deserialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: String,
    budget_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
struct Output {
    effort: Option<String>,
    format: Option<Format>,
}

#[derive(Deserialize)]
struct Format {
    #[serde(rename = "type")]
    kind: String,
    schema: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Metadata {
    user_id: Option<String>,
}

/// Writes a chat in OpenAI's dialect, with so much of the reasoning of earlier answers.
///
/// # Errors
///
/// [`Class::Request`](crate::error::Class::Request) with the field at fault: it is not what the dialect says, or asks for what
/// only Anthropic does, as tools that it runs itself.
pub(crate) fn to_openai(request: &ChatRequest, past: PastReasoning) -> Result<ChatRequest, Error> {
    let from = request.object();
    if read::<Vec<Value>>(from, "mcp_servers")?.is_some_and(|servers| !servers.is_empty()) {
        let message = "mcp_servers has no counterpart beside Anthropic's interface";
        return Err(invalid("mcp_servers", message));
    }
    let mut to = Object::new();
    to.set("model", request.model());
    to.set("messages", &messages(from, past)?);
    if let Some(most) = request.most_tokens() {
        to.set("max_tokens", &most);
    }
    tools(from, &mut to)?;
    if let Some(stops) =
        read::<Vec<String>>(from, "stop_sequences")?.filter(|stops| !stops.is_empty())
    {
        to.set("stop", &stops);
    }
    for name in ["temperature", "top_p"] {
        if let Some(value) = read::<f64>(from, name)? {
            to.set(name, &value);
        }
    }
    let output: Output = read(from, "output_config")?.unwrap_or_default();
    let thinking = read::<Thinking>(from, "thinking")?;
    if let Some(effort) = effort(thinking, output.effort.as_deref()) {
        to.set("reasoning_effort", effort);
    }
    if let Some(format) = output.format {
        to.set_raw("response_format", response_format(&format)?);
    }
    if let Some(user) = read::<Metadata>(from, "metadata")?.and_then(|metadata| metadata.user_id) {
        to.set("user", &user);
    }
    if request.is_streamed() {
        to.set("stream", &true);
    }
    ChatRequest::parse(Dialect::OpenAi, to.to_bytes())
}

/// An effort is passed on where one is asked for, by its name or by a budget. One that adapts by itself has none.
fn effort(thinking: Option<Thinking>, named: Option<&str>) -> Option<&'static str> {
    match (named, thinking) {
        (Some("low"), _) => Some("low"),
        (Some("medium"), _) => Some("medium"),
        // OpenAI's models know no more than this, or not all of them.
        (Some("high" | "xhigh" | "max"), _) => Some("high"),
        (_, Some(thinking)) if thinking.kind == "enabled" => {
            Some(effort_of_budget(thinking.budget_tokens.unwrap_or(0)))
        }
        _ => None,
    }
}

fn response_format(format: &Format) -> Result<Bytes, Error> {
    match (&format.kind[..], &format.schema) {
        ("json_schema", Some(schema)) => {
            let mut named = Object::new();
            named.set("name", "answer");
            named.set("schema", schema);
            named.set("strict", &true);
            let mut format = Object::new();
            format.set("type", "json_schema");
            format.set("json_schema", &named);
            Ok(format.to_bytes())
        }
        (kind, _) => {
            let message = format!("output_config.format is of type {kind}, or has no schema");
            Err(invalid("output_config.format", message))
        }
    }
}

fn tools(from: &Object, to: &mut Object) -> Result<(), Error> {
    let tools = read::<Vec<Box<RawValue>>>(from, "tools")?.unwrap_or_default();
    if tools.is_empty() {
        return Ok(());
    }
    let mut functions = Vec::with_capacity(tools.len());
    for (place, tool) in tools.iter().enumerate() {
        functions.push(function(&format!("tools[{place}]"), tool)?);
    }
    to.set("tools", &functions);
    let Some(choice) = read::<Choice>(from, "tool_choice")? else {
        return Ok(());
    };
    match (&choice.kind[..], choice.name) {
        ("auto", _) => to.set("tool_choice", "auto"),
        ("none", _) => to.set("tool_choice", "none"),
        ("any", _) => to.set("tool_choice", "required"),
        ("tool", Some(name)) => to.set(
            "tool_choice",
            &json!({"type": "function", "function": {"name": name}}),
        ),
        (kind, _) => {
            let message =
                format!("tool_choice is of type {kind}: auto, any, none, or tool with a name");
            return Err(invalid("tool_choice", message));
        }
    }
    if choice.disable_parallel_tool_use == Some(true) {
        to.set("parallel_tool_calls", &false);
    }
    Ok(())
}

fn function(at: &str, tool: &RawValue) -> Result<Object, Error> {
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    let wrong = |error: serde_json::Error| invalid(at, format!("{at}: {error}"));
    let typed: Typed = serde_json::from_str(tool.get()).map_err(wrong)?;
    if let Some(kind) = typed.kind.filter(|kind| kind != "custom") {
        let message = format!("{at} is {kind}, which only Anthropic has");
        return Err(invalid(at, message));
    }
    let tool: Tool = serde_json::from_str(tool.get()).map_err(wrong)?;
    debug_assert!(tool.kind.is_none_or(|kind| kind == "custom"));
    let mut function = Object::new();
    function.set("name", &tool.name);
    if let Some(description) = tool.description {
        function.set("description", &description);
    }
    if let Some(schema) = tool.input_schema {
        function.set("parameters", &schema);
    }
    if let Some(strict) = tool.strict {
        function.set("strict", &strict);
    }
    let mut tool = Object::new();
    tool.set("type", "function");
    tool.set("function", &function);
    Ok(tool)
}
