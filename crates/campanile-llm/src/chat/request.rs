use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::{BufMut, Bytes};
use http::HeaderValue;
use serde::Serialize;

use super::{Message, Tool, limits};
use crate::{
    dialect::Dialect,
    error::{Class, Error},
    json::Object,
    route::Needs,
    tokens::PromptSize,
};

/// A chat that is to go on: the model, the messages, and whatever else the dialect knows. Every field stays as it was
/// written, known here or not. Cheap to clone: clones share it until one is changed.
///
/// ```
/// use campanile_llm::chat::ChatRequest;
///
/// let request = ChatRequest::new("gpt-5-mini")
///     .system("Answer in one word.")
///     .user("The capital of Italy?")
///     .max_tokens(20)
///     .field("seed", &7)
///     .streamed();
/// assert_eq!(request.model(), "gpt-5-mini");
/// assert_eq!(request.messages()?.len(), 2);
/// # Ok::<_, campanile_llm::Error>(())
/// ```
#[derive(Clone)]
pub struct ChatRequest {
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    dialect: Dialect,
    model: Arc<str>,
    streamed: bool,
    max_tokens: Option<u64>,
    /// How many answers it asks for.
    choices: u64,
    object: Object,
    /// The body as it came, while nothing has been changed.
    body: Option<Bytes>,
    /// What Anthropic's header of that name says.
    anthropic_beta: Option<HeaderValue>,
    /// What it needs of a model, once somebody has asked: a pool asks with each pick.
    needs: OnceLock<Needs>,
    /// How large its prompt is, likewise: who estimates asks, and who counts.
    size: OnceLock<PromptSize>,
}

// ===== impl ChatRequest =====

impl ChatRequest {
    /// An empty chat with a model, in OpenAI's dialect.
    #[must_use]
    pub fn new(model: &str) -> Self {
        let mut object = Object::new();
        object.set("model", model);
        object.set_raw("messages", Bytes::from_static(b"[]"));
        Self {
            shared: Arc::new(Shared {
                dialect: Dialect::OpenAi,
                model: model.into(),
                streamed: false,
                max_tokens: None,
                choices: 1,
                object,
                body: None,
                anthropic_beta: None,
                needs: OnceLock::new(),
                size: OnceLock::new(),
            }),
        }
    }

    /// Reads a request as a client sent it. Only its outermost fields are parsed.
    ///
    /// # Errors
    ///
    /// [`Class::Request`], with the field at fault: it is no JSON object, `model` or `messages` is missing, or a field that
    /// matters here is of another type.
    pub fn parse(dialect: Dialect, body: impl Into<Bytes>) -> Result<Self, Error> {
        let body = body.into();
        let (object, single) = Object::read_all(body.clone())
            .map_err(|error| invalid(format!("the body is not a JSON object: {error}"), None))?;
        let model: Arc<str> = read::<String>(&object, "model")?
            .ok_or_else(|| invalid("a request names a model".to_owned(), Some("model")))?
            .into();
        let streamed = read(&object, "stream")?.unwrap_or(false);
        let max_tokens = limits::most_tokens(&object)?;
        let choices = limits::choices(&object)?;
        match object.get("messages").map(|messages| messages.first()) {
            Some(Some(b'[')) => {}
            Some(_) => return Err(invalid("messages is a list".to_owned(), Some("messages"))),
            None => {
                let message = "a request has messages".to_owned();
                return Err(invalid(message, Some("messages")));
            }
        }
        Ok(Self {
            shared: Arc::new(Shared {
                dialect,
                model,
                streamed,
                max_tokens,
                choices,
                object,
                // Of two fields of one name a provider might take the other than was read here.
                body: single.then_some(body),
                anthropic_beta: None,
                needs: OnceLock::new(),
                size: OnceLock::new(),
            }),
        })
    }

    /// Names features to come that the caller wants to use, as the header `anthropic-beta` does. It goes to providers of Anthropic's
    /// interface, where the request is written in that dialect.
    ///
    /// ```
    /// use campanile_llm::{chat::ChatRequest, dialect::Dialect};
    /// use http::HeaderValue;
    ///
    /// let body = r#"{"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": []}"#;
    /// let request = ChatRequest::parse(Dialect::Anthropic, body)?
    ///     .with_anthropic_beta(HeaderValue::from_static("context-1m-2025-08-07"));
    /// assert_eq!(request.anthropic_beta().unwrap(), "context-1m-2025-08-07");
    /// # Ok::<_, campanile_llm::Error>(())
    /// ```
    #[must_use]
    pub fn with_anthropic_beta(mut self, features: HeaderValue) -> Self {
        Arc::make_mut(&mut self.shared).anthropic_beta = Some(features);
        self
    }

    /// The features to come that the caller wants to use.
    #[must_use]
    pub fn anthropic_beta(&self) -> Option<&HeaderValue> {
        self.shared.anthropic_beta.as_ref()
    }

    /// The dialect that it is written in, in which it is answered.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.shared.dialect
    }

    /// The model that it asks for.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.shared.model
    }

    /// The model that it asks for, shared.
    #[must_use]
    pub fn model_shared(&self) -> Arc<str> {
        Arc::clone(&self.shared.model)
    }

    pub(crate) fn model_ref(&self) -> &Arc<str> {
        &self.shared.model
    }

    /// Whether it is answered event by event.
    #[must_use]
    pub fn is_streamed(&self) -> bool {
        self.shared.streamed
    }

    /// How many tokens the answer may have at most, if it says so: by `max_completion_tokens`, `max_tokens`, `n_predict` as
    /// llama.cpp has it, or `num_predict` among its `options` as Ollama does. The largest of them, since servers differ in the
    /// one that they mind. A number below 0 is no limit, whatever the others say.
    #[must_use]
    pub fn most_tokens(&self) -> Option<u64> {
        self.shared.max_tokens
    }

    /// How many answers it asks for, by `n`, or `n_cmpl` as llama.cpp has it: 1 unless it says otherwise.
    pub(crate) fn choices(&self) -> u64 {
        self.shared.choices
    }

    /// All its fields.
    #[must_use]
    pub fn object(&self) -> &Object {
        &self.shared.object
    }

    /// The messages.
    ///
    /// # Errors
    ///
    /// [`Class::Request`] when they are not what the dialect says.
    pub fn messages(&self) -> Result<Vec<Message>, Error> {
        Ok(read(self.object(), "messages")?.unwrap_or_default())
    }

    /// The body to send to a provider of the same dialect.
    #[must_use]
    pub fn body(&self) -> Bytes {
        match &self.shared.body {
            Some(body) => body.clone(),
            None => self.shared.object.to_bytes(),
        }
    }

    /// How many bytes the prompt is, about: messages and tools.
    #[must_use]
    pub fn prompt_bytes(&self) -> u64 {
        let bytes = |name| self.object().get(name).map_or(0, Bytes::len) as u64;
        bytes("messages") + bytes("tools") + bytes("system")
    }

    /// The same request for another model.
    #[must_use]
    pub fn with_model(mut self, model: &str) -> Self {
        if self.model() != model {
            let (needs, size) = (self.shared.needs.clone(), self.shared.size.clone());
            let shared = self.change();
            shared.model = model.into();
            shared.object.set("model", model);
            (shared.needs, shared.size) = (needs, size);
        }
        self
    }

    /// Adds a message.
    ///
    /// # Panics
    ///
    /// When the messages so far are not what the dialect says; those that were added here are.
    #[must_use]
    pub fn message(mut self, message: &Message) -> Self {
        self.append("messages", message);
        self
    }

    /// Adds a message of whoever sets up the chat.
    #[must_use]
    pub fn system(self, text: &str) -> Self {
        self.message(&Message::system(text))
    }

    /// Adds a message of who asks.
    #[must_use]
    pub fn user(self, text: &str) -> Self {
        self.message(&Message::user(text))
    }

    /// Adds a message of the model.
    #[must_use]
    pub fn assistant(self, text: &str) -> Self {
        self.message(&Message::assistant(text))
    }

    /// Adds a tool.
    #[must_use]
    pub fn tool(mut self, tool: &Tool) -> Self {
        self.append("tools", tool);
        self
    }

    /// Sets how many tokens the answer may have at most.
    #[must_use]
    pub fn max_tokens(self, most: u64) -> Self {
        self.field("max_tokens", &most)
    }

    /// Has it answered event by event.
    #[must_use]
    pub fn streamed(self) -> Self {
        self.field("stream", &true)
    }

    /// Sets any field.
    ///
    /// # Panics
    ///
    /// When the value cannot be written as JSON.
    #[must_use]
    pub fn field<T: Serialize + ?Sized>(mut self, name: &str, value: &T) -> Self {
        let shared = self.change();
        shared.object.set(name, value);
        match name {
            "model" => {
                if let Ok(Some(model)) = shared.object.read::<String>(name) {
                    shared.model = model.into();
                }
            }
            "stream" => shared.streamed = shared.object.read(name).ok().flatten() == Some(true),
            name if limits::is_choices(name) => {
                shared.choices = limits::set_choices(&shared.object);
            }
            name if limits::is_limit(name) => {
                shared.max_tokens = limits::most_tokens(&shared.object).ok().flatten();
            }
            _ => {}
        }
        self
    }

    /// The same request with a field by another name, which is free.
    pub(crate) fn renamed(mut self, from: &str, to: &'static str) -> Self {
        self.change().object.rename(from, to);
        self
    }

    /// Adds an element to a list.
    fn append<T: Serialize>(&mut self, name: &str, element: &T) {
        let shared = self.change();
        // What nobody shares is written on in its place: a chat of many messages is not copied for each.
        let mut list = match shared.object.take(name) {
            Some(list) if list.ends_with(b"]") => {
                let mut list = list.try_into_mut().unwrap_or_else(|list| list[..].into());
                list.truncate(list.len() - 1);
                list
            }
            _ => b"["[..].into(),
        };
        if list.trim_ascii_end() != b"[" {
            list.put_u8(b',');
        }
        match serde_json::to_writer((&mut list).writer(), element) {
            Ok(()) => list.put_u8(b']'),
            Err(error) => panic!("{name} cannot be written as JSON: {error}"),
        }
        shared.object.set_raw(name, list.freeze());
    }

    fn change(&mut self) -> &mut Shared {
        let shared = Arc::make_mut(&mut self.shared);
        shared.body = None;
        shared.needs = OnceLock::new();
        shared.size = OnceLock::new();
        shared
    }

    /// What it needs of a model: read once, and shared by its clones.
    pub(crate) fn needs_or_read(&self, read: impl FnOnce() -> Needs) -> Needs {
        *self.shared.needs.get_or_init(read)
    }

    /// How large its prompt is, likewise.
    pub(crate) fn size_or_read(&self, read: impl FnOnce() -> PromptSize) -> PromptSize {
        *self.shared.size.get_or_init(read)
    }
}

fn read<'a, T: serde::Deserialize<'a>>(
    object: &'a Object,
    name: &'static str,
) -> Result<Option<T>, Error> {
    object
        .read(name)
        .map_err(|error| invalid(format!("{name}: {error}"), Some(name)))
}

pub(super) fn invalid(message: String, param: Option<&str>) -> Error {
    let error = Error::new(Class::Request, message)
        .with_status(400)
        .with_kind("invalid_request_error");
    match param {
        Some(param) => error.with_param(param),
        None => error,
    }
}

/// Nothing of what is said in it.
impl fmt::Debug for ChatRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatRequest")
            .field("dialect", &self.shared.dialect)
            .field("model", &self.shared.model)
            .field("streamed", &self.shared.streamed)
            .field("fields", &self.shared.object)
            .finish_non_exhaustive()
    }
}
