//! Tools, and how they may be chosen.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{invalid, raw, read};
use crate::{error::Error, json::Object};

pub(super) struct Tools {
    pub(super) tools: Vec<Tool>,
    pub(super) choice: Option<Choice>,
}

#[derive(Serialize)]
pub(super) struct Tool {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    input_schema: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Box<RawValue>>,
}

#[derive(Serialize)]
pub(super) struct Choice {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
    cache_control: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    name: String,
    description: Option<String>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    strict: Option<bool>,
}

// ===== impl Tools =====

impl Tools {
    /// Whether the model has to call one.
    pub(super) fn is_forced(&self) -> bool {
        self.choice
            .as_ref()
            .is_some_and(|choice| matches!(choice.kind, "any" | "tool"))
    }
}

/// The tools of a request in OpenAI's dialect. Without tools there is nothing to choose either.
pub(super) fn translate(from: &Object) -> Result<Option<Tools>, Error> {
    let Some(asked) = read::<Vec<Asked<'_>>>(from, "tools")?.filter(|tools| !tools.is_empty())
    else {
        return Ok(None);
    };
    let tools = asked.into_iter().enumerate().map(tool);
    let tools = tools.collect::<Result<_, _>>()?;
    let single = read::<bool>(from, "parallel_tool_calls")? == Some(false);
    let mut choice = choice(from)?;
    if single {
        let kind = "auto";
        let choice = choice.get_or_insert_with(|| Choice::new(kind));
        choice.disable_parallel_tool_use = choice.kind != "none";
    }
    Ok(Some(Tools { tools, choice }))
}

fn tool((place, tool): (usize, Asked<'_>)) -> Result<Tool, Error> {
    let at = format!("tools[{place}]");
    let function = match (tool.kind.as_deref(), tool.function) {
        (None | Some("function"), Some(function)) => function,
        (kind, _) => {
            let message = format!(
                "{at} is of type {}: only functions have a counterpart in Anthropic's interface",
                kind.unwrap_or("null")
            );
            return Err(invalid(at, message));
        }
    };
    Ok(Tool {
        name: function.name,
        description: function.description,
        input_schema: schema(&at, function.parameters)?,
        strict: function.strict.filter(|strict| *strict),
        cache_control: tool.cache_control,
    })
}

/// The interface wants a type of the arguments, and it is always an object.
fn schema(at: &str, parameters: Option<&RawValue>) -> Result<Box<RawValue>, Error> {
    let parameters = parameters.map_or("{}", RawValue::get);
    let mut schema =
        Object::parse(Bytes::copy_from_slice(parameters.as_bytes())).map_err(|error| {
            let at = format!("{at}.function.parameters");
            let message = format!("{at} is no JSON Schema: {error}");
            invalid(at, message)
        })?;
    if schema.get("type").is_some() {
        return Ok(raw(&schema));
    }
    schema.set("type", "object");
    if schema.len() == 1 {
        schema.set_raw("properties", Bytes::from_static(b"{}"));
    }
    Ok(raw(&schema))
}

fn choice(from: &Object) -> Result<Option<Choice>, Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Asked {
        Word(String),
        Named { function: Name },
        Other { r#type: String },
    }
    #[derive(Deserialize)]
    struct Name {
        name: String,
    }
    let unknown = |what: &str| {
        let message = format!("tool_choice {what} has no counterpart in Anthropic's interface");
        invalid("tool_choice", message)
    };
    Ok(match read(from, "tool_choice")? {
        None => None,
        Some(Asked::Word(word)) => Some(Choice::new(match &word[..] {
            "auto" => "auto",
            "none" => "none",
            "required" => "any",
            word => return Err(unknown(word)),
        })),
        Some(Asked::Named { function }) => Some(Choice {
            name: Some(function.name),
            ..Choice::new("tool")
        }),
        Some(Asked::Other { r#type }) => return Err(unknown(&r#type)),
    })
}

impl Choice {
    const fn new(kind: &'static str) -> Self {
        Self {
            kind,
            name: None,
            disable_parallel_tool_use: false,
        }
    }
}
