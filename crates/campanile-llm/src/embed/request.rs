use std::{fmt, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{
    error::{Class, Error},
    json::Object,
    tokens::PromptSize,
};

/// Texts to be embedded, with a model, in the form of OpenAI's `/v1/embeddings`. Every field stays as it was written, known
/// here or not. Cheap to clone.
///
/// ```
/// use campanile_llm::embed::EmbeddingRequest;
///
/// let request = EmbeddingRequest::new("text-embedding-3-small", ["one", "two"]).field("dimensions", &256);
/// assert_eq!(request.texts()?, ["one", "two"]);
/// # Ok::<_, campanile_llm::Error>(())
/// ```
#[derive(Clone)]
pub struct EmbeddingRequest {
    model: Arc<str>,
    object: Arc<Object>,
    /// The body as it came, while nothing has been changed.
    body: Option<Bytes>,
}

// ===== impl EmbeddingRequest =====

impl EmbeddingRequest {
    /// Texts to be embedded.
    pub fn new<T>(model: &str, texts: impl IntoIterator<Item = T>) -> Self
    where
        T: Into<String>,
    {
        let texts: Vec<String> = texts.into_iter().map(Into::into).collect();
        let mut object = Object::new();
        object.set("model", model);
        object.set("input", &texts);
        Self {
            model: model.into(),
            object: Arc::new(object),
            body: None,
        }
    }

    /// Reads a request as a client sent it. Only its outermost fields are parsed.
    ///
    /// # Errors
    ///
    /// [`Class::Request`], with the field at fault: it is no JSON object, or `model` or `input` is missing.
    pub fn parse(body: impl Into<Bytes>) -> Result<Self, Error> {
        let body = body.into();
        let (object, single) = Object::read_all(body.clone())
            .map_err(|error| invalid(format!("the body is not a JSON object: {error}")))?;
        let model = object.read::<String>("model");
        let model =
            model.map_err(|error| invalid(format!("model: {error}")).with_param("model"))?;
        let Some(model) = model else {
            let error = invalid("a request names a model".to_owned());
            return Err(error.with_param("model"));
        };
        if object.get("input").is_none_or(|input| &**input == b"null") {
            let error = invalid("a request has an input".to_owned());
            return Err(error.with_param("input"));
        }
        Ok(Self {
            model: model.into(),
            object: Arc::new(object),
            // Of two fields of one name a provider might take the other than was read here.
            body: single.then_some(body),
        })
    }

    /// The model that it asks for.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The model that it asks for, shared.
    #[must_use]
    pub fn model_shared(&self) -> Arc<str> {
        Arc::clone(&self.model)
    }

    /// All its fields.
    #[must_use]
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The texts.
    ///
    /// # Errors
    ///
    /// [`Class::Request`] when they are no texts: tokens are understood by OpenAI's interface only.
    pub fn texts(&self) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Input {
            One(String),
            Many(Vec<String>),
        }
        match self.object.read("input") {
            Ok(Some(Input::One(text))) => Ok(vec![text]),
            Ok(Some(Input::Many(texts))) => Ok(texts),
            _ => {
                let message = "input is a text or a list of texts for this provider";
                Err(invalid(message.to_owned()).with_param("input"))
            }
        }
    }

    /// The body to send to a provider of OpenAI's interface.
    #[must_use]
    pub fn body(&self) -> Bytes {
        match &self.body {
            Some(body) => body.clone(),
            None => self.object.to_bytes(),
        }
    }

    /// How many bytes its texts are, about.
    #[must_use]
    pub fn input_bytes(&self) -> u64 {
        self.object.get("input").map_or(0, Bytes::len) as u64
    }

    /// How large its texts are: all of them are text.
    pub(crate) fn size(&self) -> PromptSize {
        PromptSize {
            text: self.input_bytes(),
            ..PromptSize::default()
        }
    }

    /// The same request for another model.
    #[must_use]
    pub fn with_model(self, model: &str) -> Self {
        if self.model() == model {
            return self;
        }
        self.field("model", model)
    }

    /// Sets any field.
    ///
    /// # Panics
    ///
    /// When the value cannot be written as JSON.
    #[must_use]
    pub fn field<T: Serialize + ?Sized>(mut self, name: &str, value: &T) -> Self {
        let object = Arc::make_mut(&mut self.object);
        object.set(name, value);
        if name == "model"
            && let Ok(Some(model)) = object.read::<String>(name)
        {
            self.model = model.into();
        }
        self.body = None;
        self
    }

    /// How many texts there are, of characters or of tokens; `None` where its input is neither.
    pub(super) fn count(&self) -> Option<usize> {
        let input = self.object.get("input")?;
        if input.starts_with(b"\"") {
            return Some(1);
        }
        let list: Vec<&RawValue> = serde_json::from_slice(input).ok()?;
        let first = list.first()?.get().as_bytes().first()?;
        match first {
            b'"' | b'[' => Some(list.len()),
            b'0'..=b'9' => Some(1),
            _ => None,
        }
    }

    /// How long vectors are to be, if it says so.
    pub(super) fn dimensions(&self) -> Option<Value> {
        self.object.read("dimensions").ok().flatten()
    }

    /// Whether vectors are to be written in base64.
    pub(super) fn base64(&self) -> bool {
        let format: Option<String> = self.object.read("encoding_format").ok().flatten();
        format.as_deref() == Some("base64")
    }
}

fn invalid(message: String) -> Error {
    Error::new(Class::Request, message)
        .with_status(400)
        .with_kind("invalid_request_error")
}

/// Nothing of what is said in it.
impl fmt::Debug for EmbeddingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddingRequest")
            .field("model", &self.model)
            .field("fields", &self.object)
            .finish_non_exhaustive()
    }
}
