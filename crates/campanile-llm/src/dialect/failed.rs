//! What answers that are no success mean, where only their status or a few words tell.

use std::{borrow::Cow, time::Duration};

use campanile::outcome::retry_after;
use http::HeaderMap;
use serde_json::Value;

use crate::error::{Class, Error};

#[cfg(test)]
mod tests;

/// The longest wait that is told: a day. Whoever asks for more is asked again after it.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How much of a body that is no error of the interface is quoted: the page of a proxy is long.
const QUOTED: usize = 500;

/// How much of an error's own words is kept, in bytes.
pub(super) const WORDS: usize = 4_096;

/// What a status means that comes with an error of the interface.
pub(super) const fn by_status(status: u16) -> Class {
    match status {
        429 => Class::Rate,
        402 => Class::Quota,
        401 | 403 | 407 => Class::Auth,
        404 => Class::ModelNotFound,
        408 | 504 => Class::Timeout,
        503 | 529 => Class::Overload,
        // Not now.
        409 | 425 => Class::Server,
        400..=499 => Class::Request,
        500..=599 => Class::Server,
        _ => Class::Malformed,
    }
}

/// What a status means that comes alone.
pub(super) const fn without_words(status: u16) -> Class {
    match status {
        // Nothing there that speaks this interface: that is no fault of the request.
        404 | 405 => Class::Malformed,
        _ => by_status(status),
    }
}

/// The wait that headers ask for, if they do.
pub(super) fn wait(error: Error, headers: &HeaderMap) -> Error {
    match retry_after(headers, LONGEST) {
        Some(after) => error.with_retry_after(after),
        None => error,
    }
}

/// Whether these words, in lower case, say that a prompt is too long.
pub(super) fn is_too_long(words: &str) -> bool {
    let has = |word: &str| words.contains(word);
    has("prompt too long")
        || has("prompt is too long")
        || has("exceed_context")
        || (has("context") || has("token count") || has("number of tokens"))
            && (has("exceed") || has("too long") || has("too large") || has("longer than"))
}

/// What a body that is no error of the interface says, or else the status.
pub(super) fn quote(status: u16, body: &[u8]) -> String {
    let body = body.get(..QUOTED * 4).unwrap_or(body);
    let text: String = String::from_utf8_lossy(body).chars().take(QUOTED).collect();
    match text.trim() {
        "" => format!("status {status} without a word"),
        text => text.to_owned(),
    }
}

/// A duration as JSON writes those of protocol buffers: `"22.5s"`, an object of seconds and nanos, or a number of seconds.
pub(crate) fn duration(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(text) => text.trim().strip_suffix('s')?.parse().ok()?,
        Value::Number(number) => number.as_f64()?,
        Value::Object(parts) => {
            let part = |name| {
                // Written as text too, since a number of JavaScript's does not hold 64 bits.
                let value: Option<&Value> = parts.get(name);
                value.map_or(Some(0.0), |value| match value {
                    Value::String(text) => text.parse().ok(),
                    value => value.as_f64(),
                })
            };
            if parts.is_empty() {
                return None;
            }
            part("seconds")? + part("nanos")? * 1e-9
        }
        _ => return None,
    };
    // Not so of what is not a number.
    let seconds = (seconds >= 0.0).then_some(seconds)?;
    Some(Duration::try_from_secs_f64(seconds).map_or(LONGEST, |wait| wait.min(LONGEST)))
}

/// A text without the keys in it: Google's errors quote the key that they refuse.
pub(crate) fn without_keys(text: &str) -> Cow<'_, str> {
    const MARKS: [&str; 3] = ["api_key:", "key=", "AIza"];
    let mut clean = Cow::Borrowed(text);
    for mark in MARKS {
        let mut from = 0;
        while let Some(found) = clean.get(from..).and_then(|rest| rest.find(mark)) {
            let start = from + found + mark.len();
            let length = clean[start..]
                .bytes()
                .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
                .count();
            // A shorter word is no key, but perhaps one that a reader needs.
            if length >= 16 {
                clean.to_mut().replace_range(start..start + length, "***");
            }
            from = start;
        }
    }
    clean
}
