use http::HeaderMap;
use serde_json::Value;

use crate::{
    dialect::{
        bounded,
        failed::{WORDS, by_status, is_too_long, quote, wait, without_words},
    },
    error::{Class, Error},
};

/// Reads the error that an answer is.
pub(super) fn read(status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let words = json.as_ref().and_then(|json| words(json.get("error")?));
    let class = match words {
        Some(words) => class(Some(status), words),
        None => without_words(status),
    };
    let message = words.map_or_else(|| quote(status, body), str::to_owned);
    wait(Error::new(class, message).with_status(status), headers)
}

/// Reads the error of a line, within an answer whose head said that all was well.
pub(super) fn within(error: &Value) -> Error {
    let words = words(error).unwrap_or("an error without a word");
    Error::new(class(None, words), words)
}

/// A text, or as others write it, an object with a message.
fn words(error: &Value) -> Option<&str> {
    let message = || error.get("message")?.as_str();
    let words = error.as_str().or_else(message)?;
    (!words.is_empty()).then(|| bounded(words, WORDS))
}

fn class(status: Option<u16>, words: &str) -> Class {
    let words = words.to_ascii_lowercase();
    let says = |word: &str| words.contains(word);
    let faulty = status.is_none_or(|status| matches!(status, 400 | 413 | 422 | 500));
    if faulty && is_too_long(&words) {
        return Class::ContextWindow;
    }
    if faulty && says("model") && says("not found") {
        return Class::ModelNotFound;
    }
    match status {
        Some(429) if says("usage limit") => Class::Quota,
        Some(status) => by_status(status),
        None if says("server busy") || says("maximum pending requests") => Class::Overload,
        None => Class::Server,
    }
}
