//! What errors of this interface mean, and how errors are written in this dialect.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::{
    dialect::{
        bounded,
        failed::{self, wait, without_words},
        gemini,
    },
    error::{Class, Error},
};

/// How much of a message is kept, in bytes.
const MESSAGE: usize = 2_048;

/// How much of a name is kept.
const NAME: usize = 256;

/// What an error's body says.
#[derive(Debug, Default)]
struct Said {
    message: Option<String>,
    kind: Option<String>,
    code: Option<String>,
    param: Option<String>,
    /// A code that is an HTTP status.
    status: Option<u16>,
    /// OpenRouter: why the prompt was refused.
    flagged: bool,
}

/// What an answer that is no success means.
pub(crate) fn error(status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let error = match &json {
        Some(json) if is_googles(json) => gemini::error_of(status, headers, json, body),
        json => of_status(status, headers, json.as_ref(), body),
    };
    let id = headers.get("x-request-id").and_then(|id| id.to_str().ok());
    match id {
        Some(id) => error.with_request_id(bounded(id, NAME)),
        None => error,
    }
}

fn of_status(status: u16, headers: &HeaderMap, json: Option<&Value>, body: &[u8]) -> Error {
    let said = json.and_then(Said::read);
    let class = match &said {
        Some(said) => said.class(Some(status)),
        None => without_words(status),
    };
    let message = said.as_ref().and_then(|said| said.message.clone());
    let message = message.unwrap_or_else(|| match said {
        Some(_) => "the provider gave no reason".to_owned(),
        None if body.is_empty() => "the provider gave no reason: the body is empty".to_owned(),
        None => "the provider gave no reason: the body is no JSON".to_owned(),
    });
    let mut error = said.unwrap_or_default().fill(Error::new(class, message));
    error = error.with_status(status);
    wait(error, headers)
}

/// What an error in an answer of success, or in a stream, means.
pub(crate) fn error_in(body: &[u8]) -> Error {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    if let Some(json) = json.as_ref().filter(|json| is_googles(json)) {
        // The head said that all was well: the error's own code is its status.
        return gemini::error_of(200, &HeaderMap::new(), json, body);
    }
    let Some(said) = json.as_ref().and_then(Said::read) else {
        let message = "the provider reported an error, without a reason that is JSON";
        return Error::new(Class::Server, message);
    };
    let class = said.class(said.status);
    let message = said.message.clone();
    let message = message.unwrap_or_else(|| "the provider reported an error".to_owned());
    let status = said.status;
    let error = said.fill(Error::new(class, message));
    match status {
        Some(status) => error.with_status(status),
        None => error,
    }
}

/// The error as the body of an answer.
pub(crate) fn error_body(error: &Error) -> Bytes {
    let (kind, code) = names(error);
    // What a provider says of this side's key is no matter of the caller's.
    let message = match error.class() {
        Class::Auth => {
            Cow::Borrowed("the provider does not accept the key that is configured for it")
        }
        Class::Quota => Cow::Borrowed("what may be used of the provider is used up"),
        _ => Cow::Borrowed(error.message()),
    };
    let body = serde_json::json!({
        "error": { "message": message, "type": kind, "param": error.param(), "code": code }
    });
    body.to_string().into()
}

/// The error as the last frame of a stream.
pub(crate) fn error_frame(error: &Error) -> Bytes {
    let body = error_body(error);
    [b"data: ", &body[..], b"\n\n"].concat().into()
}

/// `type` and `code`.
fn names(error: &Error) -> (&str, Option<&str>) {
    let rate = ("rate_limit_error", Some("rate_limit_exceeded"));
    match error.class() {
        Class::Rate => (rate.0, error.code().or(rate.1)),
        Class::Refused if error.is_budget_used_up() => {
            ("insufficient_quota", Some("insufficient_quota"))
        }
        Class::Refused if error.answer_status() == 429 => rate,
        Class::Request => ("invalid_request_error", error.code()),
        Class::ModelNotFound => ("invalid_request_error", Some("model_not_found")),
        Class::ContextWindow => ("invalid_request_error", Some("context_length_exceeded")),
        Class::ContentFilter => ("invalid_request_error", Some("content_filter")),
        class => ("server_error", Some(class.name())),
    }
}

fn by_status(status: Option<u16>) -> Class {
    match status {
        // Something else than a model is not there.
        Some(404) => Class::Request,
        Some(status) => failed::by_status(status),
        None => Class::Server,
    }
}

/// The body, or the first of those in a list, where Gemini by this interface puts it.
fn first(json: &Value) -> &Value {
    json.get(0).unwrap_or(json)
}

/// Whether an error is written as Google's are, also by this interface: its status is a name, and its code a number. What it
/// means stands in details that this interface does not know.
fn is_googles(json: &Value) -> bool {
    let Some(error) = first(json).get("error") else {
        return false;
    };
    let status = error.get("status").and_then(Value::as_str);
    let upper = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    error.get("code").is_some_and(Value::is_number)
        && status.is_some_and(|name| !name.is_empty() && name.bytes().all(upper))
}

// ===== impl Said =====

impl Said {
    /// Reads the forms that servers have; `None` where it is none of them.
    fn read(json: &Value) -> Option<Self> {
        let object = first(json).as_object()?;
        let mut said = Self::default();
        match object.get("error").filter(|error| !error.is_null()) {
            Some(Value::Object(error)) => said.add(error),
            // xAI, whose code is a sentence; Ollama.
            Some(Value::String(text)) => {
                said.message = Some(bounded(text, MESSAGE).to_owned());
                said.code = text_of(object, "code", NAME);
            }
            // FastAPI, and older vLLM, whose object is the error.
            _ => said.add(object),
        }
        if said.message.is_none() {
            said.choice(object);
        }
        Some(said)
    }

    fn add(&mut self, error: &Map<String, Value>) {
        let message = |name| text_of(error, name, MESSAGE);
        self.message = message("message").or_else(|| message("detail"));
        self.kind = text_of(error, "type", NAME);
        self.param = text_of(error, "param", NAME);
        match error.get("code") {
            Some(Value::String(code)) => {
                self.status = status(code.parse().ok());
                self.code = Some(bounded(code, NAME).to_owned());
            }
            Some(Value::Number(code)) => self.status = status(code.as_u64()),
            _ => {}
        }
        // Azure, whose content filter says so further in.
        let inner = error.get("innererror").and_then(Value::as_object);
        if let Some(code) = inner.and_then(|inner| text_of(inner, "code", NAME)) {
            self.flagged |= code == "ResponsibleAIPolicyViolation";
        }
        let metadata = error.get("metadata").and_then(Value::as_object);
        self.flagged |= metadata.is_some_and(|metadata| {
            metadata.contains_key("reasons") && metadata.contains_key("flagged_input")
        });
    }

    /// OpenRouter's whole answers have the error in the choice.
    fn choice(&mut self, object: &Map<String, Value>) {
        let choices = object.get("choices").and_then(Value::as_array);
        let errors = choices.into_iter().flatten();
        let error = errors
            .filter_map(|choice| choice.get("error")?.as_object())
            .next();
        if let Some(error) = error {
            self.add(error);
        }
    }

    fn class(&self, status: Option<u16>) -> Class {
        let message = self.message.as_deref().unwrap_or("").to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
        for name in [&self.code, &self.kind].into_iter().flatten() {
            if let Some(class) = by_name(&name.to_ascii_lowercase()) {
                return class;
            }
        }
        let rate = status == Some(429);
        if self.flagged || says(FILTERED) {
            Class::ContentFilter
        } else if !rate && says(TOO_LONG) {
            Class::ContextWindow
        } else if says(NO_KEY) {
            // xAI answers it with 400.
            Class::Auth
        } else if matches!(status, Some(402 | 403 | 429)) && says(NO_MONEY) {
            Class::Quota
        } else if matches!(status, Some(404)) && message.contains("model") {
            Class::ModelNotFound
        } else {
            by_status(status)
        }
    }

    fn fill(self, mut error: Error) -> Error {
        if let Some(kind) = self.kind {
            error = error.with_kind(kind);
        }
        if let Some(code) = self.code {
            error = error.with_code(code);
        }
        match self.param {
            Some(param) => error.with_param(param),
            None => error,
        }
    }
}

/// Wordings of vLLM, SGLang, llama.cpp, xAI, OpenRouter and others that have no code for it.
const TOO_LONG: &[&str] = &[
    "maximum context length",
    "context length is only",
    "exceeds the available context size",
    "exceed context size",
    "exceeds the context window",
    "exceed the context window",
    "maximum prompt length",
    "longer than the maximum model length",
    "longer than the model's context length",
    "prompt is too long",
];
const FILTERED: &[&str] = &["violates usage guidelines", "content management policy"];
const NO_KEY: &[&str] = &["incorrect api key", "invalid api key"];
const NO_MONEY: &[&str] = &[
    "any credits",
    "insufficient credits",
    "exceeded your current quota",
];

/// What a type or code means, in lower case, where it says more than the status.
fn by_name(name: &str) -> Option<Class> {
    Some(match name {
        "insufficient_quota"
        | "credit_balance_exhausted"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "insufficient_credits"
        | "insufficient_balance" => Class::Quota,
        name if name.ends_with("_spend_limit_exceeded")
            || name.ends_with("_usage_limit_exceeded") =>
        {
            Class::Quota
        }
        "context_length_exceeded" | "exceed_context_size_error" | "context_window_exceeded" => {
            Class::ContextWindow
        }
        "content_filter" | "content_policy_violation" | "content_policy" | "moderation_blocked" => {
            Class::ContentFilter
        }
        "model_not_found" => Class::ModelNotFound,
        "invalid_api_key" | "authentication_error" | "permission_error" | "permission_denied" => {
            Class::Auth
        }
        "rate_limit_exceeded" | "rate_limit_error" | "too_many_requests" | "slow_down" => {
            Class::Rate
        }
        "overloaded_error"
        | "overloaded"
        | "server_overloaded"
        | "engine_overloaded"
        | "unavailable_error"
        | "service_unavailable" => Class::Overload,
        "timeout" | "request_timeout" => Class::Timeout,
        _ => return None,
    })
}

fn status(code: Option<u64>) -> Option<u16> {
    let code = u16::try_from(code?).ok()?;
    (400..600).contains(&code).then_some(code)
}

/// A field that is a text, as much of it as is kept; of a list or an object its JSON.
fn text_of(object: &Map<String, Value>, name: &str, most: usize) -> Option<String> {
    match object.get(name)? {
        Value::String(text) => Some(bounded(text, most).to_owned()),
        Value::Null => None,
        value => Some(bounded(&value.to_string(), most).to_owned()),
    }
}
