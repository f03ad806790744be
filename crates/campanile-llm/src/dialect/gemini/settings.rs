use serde::Serialize;
use serde_json::{Number, Value, value::RawValue};

use super::request::Thinking;
use crate::{
    chat::ChatRequest,
    dialect::content::{field, offered, raw, refuse, texts},
    error::Error,
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tools<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// JSON Schema as it is. Its elder brother `parameters` takes a part of it only, and refuses the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a RawValue>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig {
    function_calling_config: FunctionCalling,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct FunctionCalling {
    mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_function_names: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ThinkingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
    include_thoughts: bool,
}

pub(super) fn tools(request: &ChatRequest) -> Result<Option<Tools<'_>>, Error> {
    let mut declarations = Vec::new();
    for (index, tool) in offered(request)?.into_iter().enumerate() {
        let function = match (tool.kind.as_deref(), tool.function) {
            (None | Some("function"), Some(function)) => function,
            (kind, _) => {
                return Err(refuse(
                    format!(
                        "a tool of type {} cannot be translated",
                        kind.unwrap_or("?")
                    ),
                    format!("tools[{index}]"),
                ));
            }
        };
        declarations.push(Declaration {
            name: function.name,
            description: function.description,
            parameters_json_schema: function.parameters.filter(|schema| schema.get() != "null"),
        });
    }
    Ok((!declarations.is_empty()).then_some(Tools {
        function_declarations: declarations,
    }))
}

pub(super) fn tool_config(request: &ChatRequest) -> Result<Option<ToolConfig>, Error> {
    let Some(choice) = field::<Value>(request, "tool_choice")? else {
        return Ok(None);
    };
    let unknown = || refuse("tool_choice is none of the known ones", "tool_choice");
    let name = |tool: &Value| tool.pointer("/function/name")?.as_str().map(str::to_owned);
    let (mode, allowed_function_names) = match (choice.as_str(), choice["type"].as_str()) {
        (Some("auto"), _) => ("AUTO", Vec::new()),
        (Some("none"), _) => ("NONE", Vec::new()),
        (Some("required"), _) => ("ANY", Vec::new()),
        (_, Some("function")) => ("ANY", vec![name(&choice).ok_or_else(unknown)?]),
        (_, Some("allowed_tools")) => {
            let allowed = &choice["allowed_tools"];
            let names = allowed["tools"].as_array().ok_or_else(unknown)?;
            let names: Option<Vec<_>> = names.iter().map(name).collect();
            // What may be called is told only where calls are checked.
            let mode = match allowed["mode"].as_str() {
                Some("required") => "ANY",
                _ => "VALIDATED",
            };
            (mode, names.ok_or_else(unknown)?)
        }
        _ => return Err(unknown()),
    };
    Ok(Some(ToolConfig {
        function_calling_config: FunctionCalling {
            mode,
            allowed_function_names,
        },
    }))
}

pub(super) fn generation(
    request: &ChatRequest,
    thinking: Thinking,
) -> Result<GenerationConfig<'_>, Error> {
    let (response_mime_type, response_json_schema) = format(request)?;
    Ok(GenerationConfig {
        max_output_tokens: request.most_tokens(),
        temperature: field(request, "temperature")?,
        top_p: field(request, "top_p")?,
        top_k: field(request, "top_k")?,
        stop_sequences: texts(request, "stop")?,
        seed: field(request, "seed")?,
        presence_penalty: field(request, "presence_penalty")?,
        frequency_penalty: field(request, "frequency_penalty")?,
        response_mime_type,
        response_json_schema,
        thinking_config: ThinkingConfig::read(request, thinking)?,
    })
}

#[derive(serde::Deserialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    json_schema: Option<Schema<'a>>,
}

#[derive(serde::Deserialize)]
struct Schema<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
}

/// The type of the answer, and its schema.
fn format(request: &ChatRequest) -> Result<(Option<&'static str>, Option<&RawValue>), Error> {
    let wrong = |why: &str| refuse(why, "response_format");
    let Some(format) = raw(request, "response_format") else {
        return Ok((None, None));
    };
    let format: Format<'_> =
        serde_json::from_str(format.get()).map_err(|error| wrong(&error.to_string()))?;
    match format.kind.as_str() {
        "text" => Ok((None, None)),
        "json_object" => Ok((Some("application/json"), None)),
        "json_schema" => {
            let schema = format.json_schema.and_then(|schema| schema.schema);
            let schema = schema.ok_or_else(|| wrong("json_schema has a schema"))?;
            Ok((Some("application/json"), Some(schema)))
        }
        _ => Err(wrong("an answer is text, json_object or json_schema")),
    }
}

// ===== impl ThinkingConfig =====

impl ThinkingConfig {
    /// As Google's own translation from OpenAI's dialect has it.
    fn read(request: &ChatRequest, thinking: Thinking) -> Result<Option<Self>, Error> {
        let Some(effort) = field::<String>(request, "reasoning_effort")? else {
            return Ok(None);
        };
        let (budget, level) = match effort.as_str() {
            "none" => (0, "minimal"),
            "minimal" => (1_024, "minimal"),
            "low" => (1_024, "low"),
            "medium" => (8_192, "medium"),
            "high" | "xhigh" | "max" => (24_576, "high"),
            _ => {
                return Err(refuse(
                    format!("{effort:?} is no effort that is known"),
                    "reasoning_effort",
                ));
            }
        };
        let include_thoughts = effort != "none";
        Ok(match thinking {
            Thinking::No => None,
            Thinking::Budget(least) => Some(Self {
                thinking_budget: Some(budget.max(least)),
                thinking_level: None,
                include_thoughts,
            }),
            Thinking::Level(least) => Some(Self {
                thinking_budget: None,
                thinking_level: Some(if level == "minimal" { least } else { level }),
                include_thoughts,
            }),
        })
    }
}
