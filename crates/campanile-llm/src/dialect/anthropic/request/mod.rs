//! A chat in OpenAI's dialect, as a request of this interface.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use self::thinking::{Generation, Plan};
use crate::{
    chat::ChatRequest,
    dialect::{Dialect, Outgoing, content::refuse as refuse_at},
    error::Error,
    json::Object,
};

mod content;
mod messages;
mod thinking;
mod tools;

pub(super) use thinking::effort_of_budget;

/// How many tokens an answer may have where the request does not say: the interface wants to be told. A model that thinks has
/// as many more as its thinking may take.
pub(super) const DEFAULT_MAX_TOKENS: u64 = 4096;

/// What names features to come.
pub(crate) const BETA: HeaderName = HeaderName::from_static("anthropic-beta");

const VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// Writes a chat for this interface. One in its own dialect goes as it is, but for the model's name.
///
/// # Errors
///
/// [`Class::Request`](crate::error::Class::Request) with the field at fault, where the request says what the interface has no word for, and leaving it out
/// would change what is asked.
pub(crate) fn chat_request(request: &ChatRequest, model: &str) -> Result<Outgoing, Error> {
    let body = match request.dialect() {
        Dialect::Anthropic => request.clone().with_model(model).body(),
        Dialect::OpenAi => translate(request, model)?,
    };
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert("anthropic-version", VERSION);
    if request.dialect() == Dialect::Anthropic
        && let Some(features) = request.anthropic_beta()
    {
        headers.insert(BETA, features.clone());
    }
    Ok(Outgoing {
        path: "/v1/messages".to_owned(),
        body,
        headers,
    })
}

fn translate(request: &ChatRequest, model: &str) -> Result<Bytes, Error> {
    let from = request.object();
    refuse(from)?;
    let (system, turns) = messages::translate(&request.messages()?)?;
    let tools = tools::translate(from)?;
    let forced = tools.as_ref().is_some_and(tools::Tools::is_forced);
    let generation = Generation::of(model);
    let effort: Option<String> = read(from, "reasoning_effort")?;
    let plan = Plan::new(
        generation,
        effort.as_deref(),
        request.most_tokens(),
        !forced && messages::can_think(&turns),
    )
    .map_err(|message| invalid("reasoning_effort", message))?;

    let mut to = Object::new();
    to.set("model", model);
    to.set("max_tokens", &plan.max_tokens);
    if !system.is_empty() {
        to.set("system", &system);
    }
    to.set("messages", &turns);
    if let Some(tools) = tools {
        to.set("tools", &tools.tools);
        if let Some(choice) = tools.choice {
            to.set("tool_choice", &choice);
        }
    }
    let stops = stops(from)?;
    if !stops.is_empty() {
        to.set("stop_sequences", &stops);
    }
    sampling(from, &mut to, generation, plan.thinking.is_some())?;
    if let Some(thinking) = plan.thinking {
        to.set("thinking", &thinking);
    }
    let format = format(from)?;
    if plan.effort.is_some() || format.is_some() {
        let effort = plan.effort;
        to.set("output_config", &Output { effort, format });
    }
    let user = read::<String>(from, "user")?;
    let user = match user {
        Some(user) => Some(user),
        None => read(from, "safety_identifier")?,
    };
    if let Some(user_id) = user.filter(|user| !user.is_empty()) {
        to.set("metadata", &Metadata { user_id });
    }
    if request.is_streamed() {
        to.set("stream", &true);
    }
    Ok(to.to_bytes())
}

#[derive(Serialize)]
struct Output<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
}

#[derive(Serialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: &'a RawValue,
}

#[derive(Serialize)]
struct Metadata {
    user_id: String,
}

/// What would change the meaning if it were left out.
fn refuse(from: &Object) -> Result<(), Error> {
    if read::<u64>(from, "n")?.is_some_and(|n| n > 1) {
        let message = "Anthropic's interface answers once: n is 1";
        return Err(invalid("n", message));
    }
    for name in ["functions", "function_call"] {
        if from.get(name).is_some_and(|value| &value[..] != b"null") {
            let message = format!("{name} is not translated for Anthropic's interface: use tools");
            return Err(invalid(name, message));
        }
    }
    Ok(())
}

fn stops(from: &Object) -> Result<Vec<String>, Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stops {
        One(String),
        Several(Vec<String>),
    }
    Ok(match read(from, "stop")? {
        Some(Stops::One(stop)) => vec![stop],
        Some(Stops::Several(stops)) => stops,
        None => Vec::new(),
    })
}

/// OpenAI's temperature goes to 2, Anthropic's to 1: what is above is 1. Claude takes only one of temperature and `top_p`, its
/// models after 4.6 take none of them, and thinking has its own.
fn sampling(
    from: &Object,
    to: &mut Object,
    generation: Generation,
    thinking: bool,
) -> Result<(), Error> {
    let temperature = read::<f64>(from, "temperature")?;
    let top_p = read::<f64>(from, "top_p")?;
    let top_k = read::<u64>(from, "top_k")?;
    if thinking || generation == Generation::Effort {
        return Ok(());
    }
    if let Some(temperature) = temperature {
        to.set("temperature", &temperature.min(1.0));
    }
    if let Some(top_p) = top_p.filter(|_| temperature.is_none() || !generation.is_claude()) {
        to.set("top_p", &top_p);
    }
    if let Some(top_k) = top_k {
        to.set("top_k", &top_k);
    }
    Ok(())
}

fn format(from: &Object) -> Result<Option<Format<'_>>, Error> {
    #[derive(Deserialize)]
    struct Asked<'a> {
        #[serde(rename = "type")]
        kind: String,
        #[serde(borrow)]
        json_schema: Option<Named<'a>>,
    }
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        schema: Option<&'a RawValue>,
    }
    let asked = read::<Asked<'_>>(from, "response_format")?;
    match asked.as_ref().map(|asked| &asked.kind[..]) {
        None | Some("text") => Ok(None),
        Some("json_schema") => {
            let schema = asked.and_then(|asked| asked.json_schema?.schema);
            let schema = schema.ok_or_else(|| {
                let message = "response_format of type json_schema has no json_schema.schema";
                invalid("response_format", message)
            })?;
            Ok(Some(Format {
                kind: "json_schema",
                schema,
            }))
        }
        Some(kind) => {
            let message = format!(
                "response_format of type {kind} has no counterpart in Anthropic's interface: use json_schema"
            );
            Err(invalid("response_format", message))
        }
    }
}

// ===== what all parts need =====

pub(super) fn read<'a, T: Deserialize<'a>>(
    object: &'a Object,
    name: &str,
) -> Result<Option<T>, Error> {
    object
        .read(name)
        .map_err(|error| invalid(name, format!("{name}: {error}")))
}

/// What is wrong with a request, and where.
pub(super) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Error {
    refuse_at(message, param)
}

/// JSON as it was written, or an empty object.
fn raw<T: Serialize>(value: &T) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
