use http::HeaderMap;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    contents::{self, Turn},
    settings::{self, GenerationConfig, ToolConfig, Tools},
};
use crate::{
    chat::ChatRequest,
    dialect::{
        content::{one_answer, raw, refuse},
        dispatch::Outgoing,
        segment as escaped,
    },
    error::{Class, Error},
};

/// How a model is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    /// It is not: of the models before 2.5, and of those that are no Gemini.
    No,
    /// By a number of tokens, at least this: the larger ones cannot be kept from thinking.
    Budget(u32),
    /// By a word, at least this. These are the models that want their signatures back.
    Level(&'static str),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    contents: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Turn<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Tools<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig>,
    generation_config: GenerationConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_settings: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_content: Option<&'a RawValue>,
}

pub(super) fn write(request: &ChatRequest, model: &str) -> Result<Outgoing, Error> {
    one_answer(request, "Gemini")?;
    let path = path(model, request.is_streamed())?;
    let thinking = Thinking::of(model);
    let messages = request.messages()?;
    let (system_instruction, contents) = contents::write(&messages, thinking)?;
    let tools = settings::tools(request)?;
    let body = Body {
        contents,
        system_instruction,
        tool_config: match &tools {
            Some(_) => settings::tool_config(request)?,
            None => None,
        },
        tools: tools.map(|tools| [tools]),
        generation_config: settings::generation(request, thinking)?,
        safety_settings: raw(request, "safety_settings"),
        cached_content: raw(request, "cached_content"),
    };
    let body = serde_json::to_vec(&body).map_err(|error| {
        Error::new(Class::Request, "the request cannot be written").with_source(error)
    })?;
    Ok(Outgoing {
        path,
        body: body.into(),
        headers: HeaderMap::new(),
    })
}

/// Where a model is asked. Its name may be a caller's, so that nothing in it may lead elsewhere.
fn path(model: &str, streamed: bool) -> Result<String, Error> {
    let mut path = String::with_capacity(64);
    path.push_str("/v1beta");
    // Tuned models have a collection of their own in their names.
    if !model.contains('/') {
        path.push_str("/models");
    }
    for segment in model.split('/') {
        if matches!(segment, "" | "." | "..") {
            return Err(refuse(format!("{model:?} is no name of a model"), "model"));
        }
        path.push('/');
        path.push_str(&escaped(segment));
    }
    path.push_str(match streamed {
        true => ":streamGenerateContent?alt=sse",
        false => ":generateContent",
    });
    Ok(path)
}

// ===== impl Thinking =====

impl Thinking {
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or_default();
        let Some(version) = name.strip_prefix("gemini-") else {
            return Self::No;
        };
        let large = version.contains("pro");
        if version.starts_with("2.5") {
            Self::Budget(if large { 128 } else { 0 })
        } else if version.starts_with("1") || version.starts_with("2.0") {
            Self::No
        } else {
            Self::Level(if large { "low" } else { "minimal" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_model_leads_elsewhere() {
        let at = |model| path(model, false);
        let plain = "/v1beta/models/gemini-2.5-flash:generateContent";
        assert_eq!(at("gemini-2.5-flash").unwrap(), plain);
        assert_eq!(at("models/gemini-2.5-flash").unwrap(), plain);
        assert_eq!(
            at("tunedModels/mine").unwrap(),
            "/v1beta/tunedModels/mine:generateContent"
        );
        assert_eq!(
            path("a?b:c #d", true).unwrap(),
            "/v1beta/models/a%3Fb%3Ac%20%23d:streamGenerateContent?alt=sse"
        );
        for model in ["", "..", "models/../x", "a//b", "/", "models/"] {
            let error = at(model).unwrap_err();
            assert_eq!(error.class(), Class::Request, "{model}");
            assert_eq!(error.param(), Some("model"), "{model}");
        }
    }

    #[test]
    fn a_model_is_told_to_think_in_its_own_way() {
        for (model, thinking) in [
            ("gemini-1.5-pro", Thinking::No),
            ("gemini-2.0-flash-lite", Thinking::No),
            ("gemini-2.5-flash", Thinking::Budget(0)),
            ("models/gemini-2.5-pro", Thinking::Budget(128)),
            ("gemini-3-flash-preview", Thinking::Level("minimal")),
            ("gemini-3.1-pro-preview", Thinking::Level("low")),
            ("gemini-flash-latest", Thinking::Level("minimal")),
            ("gemma-3-27b-it", Thinking::No),
        ] {
            assert_eq!(Thinking::of(model), thinking, "{model}");
        }
    }
}
