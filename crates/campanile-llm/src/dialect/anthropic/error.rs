//! Errors of the interface: what they mean, and how they are told to callers.

use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::write;
use crate::{
    dialect::{
        bounded,
        failed::{WORDS, by_status, quote, wait, without_words},
    },
    error::{Class, Error},
};

/// How much of a name is kept, in bytes.
const NAME: usize = 256;

/// What is said where the context window is too small: by Anthropic, by Bedrock, by llama.cpp and others.
const TOO_LONG: [&str; 6] = [
    "prompt is too long",
    "exceed context limit",
    "input is too long",
    "context window",
    "context size",
    "context length",
];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    error: Said,
    request_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
    message: String,
    details: Option<Details>,
    /// Servers that speak this interface beside OpenAI's have it here, or a number.
    code: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details {
    error_code: Option<String>,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: ToldError<'a>,
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct ToldError<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
}

/// What an answer that is no success means.
///
/// | status | class |
/// |---|---|
/// | 400 and others | `Request`; by its words `ContextWindow`, `ContentFilter`, `Quota` (no credit, own limit of use); `Auth` where the organisation is on hold |
/// | 401, 403, 407 | `Auth` |
/// | 402 | `Quota` |
/// | 404 | `ModelNotFound` where it is about a model, `Malformed` where it is no error of the interface (405 too), else `Request` |
/// | 408, 504 | `Timeout` |
/// | 429 | `Rate`; `Quota` where a limit of money is reached |
/// | 503, 529 | `Overload` |
/// | 409, 425, other 5xx | `Server`; `Request` where llama.cpp says that a kind of input is not supported |
pub(crate) fn error(status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
    let said = serde_json::from_slice::<Body>(body).unwrap_or_default();
    let message = if said.error.message.is_empty() {
        quote(status, body)
    } else {
        bounded(&said.error.message, WORDS).to_owned()
    };
    let header = headers.get("request-id").and_then(|id| id.to_str().ok());
    let id = header.or(said.request_id.as_deref());
    let mut error = make(status, &said.error, message).with_status(status);
    if let Some(id) = id {
        error = error.with_request_id(bounded(id, NAME));
    }
    wait(error, headers)
}

/// What an error means that comes in a stream, or in an answer of success.
pub(super) fn of_event(data: &[u8]) -> Error {
    let body = serde_json::from_slice::<Body>(data).unwrap_or_default();
    let message = match &body.error.message[..] {
        "" => "the provider ended the stream with an error that says nothing".to_owned(),
        message => bounded(message, WORDS).to_owned(),
    };
    let error = make(status(&body.error), &body.error, message);
    match body.request_id {
        Some(id) => error.with_request_id(bounded(&id, NAME)),
        None => error,
    }
}

fn make(status: u16, said: &Said, message: String) -> Error {
    let code = said
        .details
        .as_ref()
        .and_then(|details| details.error_code.as_deref())
        .or_else(|| said.code.as_ref()?.as_str());
    let class = class(status, &said.kind, code.unwrap_or(""), &message);
    let mut error = Error::new(class, message);
    if !said.kind.is_empty() {
        error = error.with_kind(bounded(&said.kind, NAME));
    }
    match code {
        Some(code) => error.with_code(bounded(code, NAME)),
        None => error,
    }
}

/// The status that an error of this type has, where none is told: or that it says itself, as llama.cpp's do.
fn status(said: &Said) -> u16 {
    let code = said.code.as_ref().and_then(Value::as_u64);
    let code = code.and_then(|code| u16::try_from(code).ok());
    match &said.kind[..] {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "conflict_error" => 409,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => code.filter(|code| (400..600).contains(code)).unwrap_or(500),
    }
}

fn class(status: u16, kind: &str, code: &str, message: &str) -> Class {
    let says = |words: &[&str]| {
        let message = message.to_ascii_lowercase();
        words.iter().any(|word| message.contains(word))
    };
    match status {
        // Nothing that speaks this interface.
        404 | 405 if kind.is_empty() => without_words(status),
        404 if says(&["model"]) => Class::ModelNotFound,
        // "You have reached your specified API usage limits" comes with 400 too.
        429 if code.ends_with("spend_limit_reached")
            || says(&["credit balance", "usage limits"]) =>
        {
            Class::Quota
        }
        400 | 404..=406 | 410..=424 => match (kind, code) {
            ("billing_error", _) => Class::Quota,
            (_, "organization_on_hold") => Class::Auth,
            _ if says(&["credit balance is too low", "api usage limits"]) => Class::Quota,
            ("exceed_context_size_error", _) | (_, "context_length_exceeded") => {
                Class::ContextWindow
            }
            _ if says(&TOO_LONG) => Class::ContextWindow,
            _ if says(&["content filtering policy"]) => Class::ContentFilter,
            _ => Class::Request,
        },
        500.. if kind == "overloaded_error" => Class::Overload,
        // llama.cpp says so with 500.
        500 if says(&["input is not supported"]) => Class::Request,
        _ => by_status(status),
    }
}

/// The type that callers know, by the status that they are answered with.
fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..500 => "invalid_request_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        _ => "api_error",
    }
}

fn told(error: &Error) -> Told<'_> {
    // What a provider says of this side's key is no matter of the caller's.
    let message = match error.class() {
        Class::Auth => "the provider does not accept the key that is configured for it",
        Class::Quota => "what may be used of the provider is used up",
        _ => error.message(),
    };
    Told {
        kind: "error",
        error: ToldError {
            kind: kind(error.answer_status()),
            message,
        },
        request_id: error.request_id(),
    }
}

/// An error as the body of an answer.
pub(crate) fn error_body(error: &Error) -> Bytes {
    write::json(&told(error)).into()
}

/// An error as the last frame of a stream.
pub(crate) fn error_frame(error: &Error) -> Bytes {
    write::frame("error", &told(error)).0
}
