use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use crate::{
    chat::Meta,
    dialect::{Api, openai},
    error::{Class, Error},
    json::Object,
};

/// A provider's models, in the form of OpenAI's `/v1/models`.
#[derive(Clone)]
pub struct ModelList {
    /// Where the list comes from.
    pub meta: Meta,
    body: Bytes,
    models: Vec<Model>,
    next: Option<String>,
}

/// A model. Its fields are as the provider wrote them.
///
/// ```
/// use campanile_llm::models::Model;
///
/// let model: Model = serde_json::from_str(r#"{ "id": "qwen", "object": "model", "max_model_len": 32768 }"#)?;
/// assert_eq!(model.context_window(), Some(32_768));
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    id: String,
    object: Object,
}

// ===== impl ModelList =====

impl ModelList {
    /// Reads what a provider answered.
    pub(super) fn read(api: Api, meta: Meta, body: Bytes) -> Result<Self, Error> {
        let answer = Object::parse(body.clone()).map_err(|_| malformed())?;
        if answer.get("error").is_some_and(|error| &**error != b"null") {
            return Err(openai::error_in(&body));
        }
        let list = match api {
            Api::Gemini | Api::Ollama => "models",
            Api::OpenAi | Api::Anthropic => "data",
        };
        let models: Vec<Model> = match answer.read(list) {
            Ok(Some(models)) => models,
            _ => return Err(malformed()),
        };
        let text = |name| answer.read::<String>(name).ok().flatten();
        let next = match api {
            Api::Gemini => text("nextPageToken"),
            Api::Anthropic => {
                text("last_id").filter(|_| answer.read("has_more").ok().flatten() == Some(true))
            }
            Api::OpenAi | Api::Ollama => None,
        };
        let body = match api {
            Api::OpenAi => body,
            _ => render(&models),
        };
        Ok(Self {
            meta,
            body,
            models,
            next,
        })
    }

    /// The list's JSON.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The models.
    #[must_use]
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// Where the list goes on, if it is not whole.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}

fn malformed() -> Error {
    Error::new(Class::Malformed, "the answer is no list of models")
}

/// OpenAI's form, with the provider's own fields kept.
fn render(models: &[Model]) -> Bytes {
    let data: Vec<Object> = models
        .iter()
        .map(|model| {
            let mut object = model.object.clone();
            object.set("id", &model.id);
            object.set("object", "model");
            object
        })
        .collect();
    json!({ "object": "list", "data": data }).to_string().into()
}

impl fmt::Debug for ModelList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelList")
            .field("meta", &self.meta)
            .field("models", &self.models.len())
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

// ===== impl Model =====

impl Model {
    /// What it is called in requests.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// All its fields.
    #[must_use]
    pub const fn object(&self) -> &Object {
        &self.object
    }

    /// How many tokens a prompt and its answer may have together, where the provider says so: OpenRouter, vLLM, Groq,
    /// llama.cpp, and Gemini, whose limit is that of the prompt.
    #[must_use]
    pub fn context_window(&self) -> Option<u64> {
        #[derive(Deserialize)]
        struct Meta {
            n_ctx: Option<u64>,
            n_ctx_train: Option<u64>,
        }
        let names = [
            "context_length",
            "max_model_len",
            "context_window",
            "inputTokenLimit",
            "max_input_tokens",
        ];
        let window = names
            .iter()
            .find_map(|name| self.object.read(name).ok().flatten());
        window.or_else(|| {
            let meta: Meta = self.object.read("meta").ok().flatten()?;
            meta.n_ctx.or(meta.n_ctx_train)
        })
    }
}

impl<'de> Deserialize<'de> for Model {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Object::deserialize(deserializer)?;
        // Ollama's is `model`, Gemini's `name` with a prefix.
        let names = ["id", "model", "name"];
        let id = names
            .iter()
            .find_map(|name| object.read::<String>(name).ok().flatten())
            .ok_or_else(|| serde::de::Error::missing_field("id"))?;
        let id = id.strip_prefix("models/").map_or(id.clone(), str::to_owned);
        Ok(Self { id, object })
    }
}
