use std::time::{Duration, SystemTime};

use http::HeaderMap;
use serde_json::Value;

use super::pacific;
use crate::{
    dialect::{
        bounded,
        failed::{
            WORDS, by_status, duration, is_too_long, quote, wait, without_keys, without_words,
        },
    },
    error::{Class, Error},
};

/// How much of a name is kept, in bytes.
const NAME: usize = 256;

/// What is read off the details of an error.
#[derive(Debug, Default)]
struct Details<'a> {
    /// Why, as `API_KEY_INVALID`.
    reason: Option<&'a str>,
    quota: Option<&'a str>,
    daily: bool,
    /// A limit is longer than a day, or there is no share at all.
    spent: bool,
    delay: Option<Duration>,
}

/// Reads an error: the status, the headers, and the body, as JSON if it is that: an object with an `error`, a list of one, or
/// the error itself.
pub(super) fn read(status: u16, headers: &HeaderMap, json: Option<&Value>, body: &[u8]) -> Error {
    let json = json.map(|json| json.get(0).unwrap_or(json));
    let Some(error) = json.map(|json| json.get("error").unwrap_or(json)) else {
        return wait(
            Error::new(without_words(status), quote(status, body)),
            headers,
        )
        .with_status(status);
    };
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    let code = error.get("code").and_then(Value::as_u64);
    let code = code.and_then(|code| u16::try_from(code).ok());
    let status = match code {
        _ if status != 200 => status,
        // It came in a stream whose head said that all was well.
        Some(code) if (400..600).contains(&code) => code,
        _ => 500,
    };
    let kind = text("status").unwrap_or_default();
    let message = text("message")
        .or_else(|| error.as_str())
        .unwrap_or_default();
    let details = Details::read(error);
    let class = match (kind, message) {
        ("", "") => without_words(status),
        _ => class(status, kind, &message.to_ascii_lowercase(), &details),
    };
    let message = match bounded(message, WORDS) {
        "" => quote(status, body),
        message => without_keys(message).into_owned(),
    };
    let mut failed = Error::new(class, message).with_status(status);
    if !kind.is_empty() {
        failed = failed.with_kind(bounded(kind, NAME));
    }
    if let Some(code) = details.quota.or(details.reason) {
        failed = failed.with_code(bounded(code, NAME));
    }
    match (class, details.delay) {
        (Class::Quota, _) if details.daily => {
            failed.with_retry_after(pacific::until_midnight(SystemTime::now()))
        }
        (Class::Quota, _) => failed,
        (_, Some(delay)) => failed.with_retry_after(delay),
        (_, None) => wait(failed, headers),
    }
}

fn class(status: u16, kind: &str, message: &str, details: &Details<'_>) -> Class {
    let says = |word: &str| message.contains(word);
    match kind {
        "RESOURCE_EXHAUSTED" => {
            let spent = details.spent
                || details.daily
                || says("per day")
                || says("credits")
                || says("spending cap");
            if spent { Class::Quota } else { Class::Rate }
        }
        "UNAVAILABLE" => Class::Overload,
        "DEADLINE_EXCEEDED" => Class::Timeout,
        "UNAUTHENTICATED" | "PERMISSION_DENIED" => Class::Auth,
        "NOT_FOUND" => Class::ModelNotFound,
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => {
            let key = details
                .reason
                .is_some_and(|reason| reason.starts_with("API_KEY"));
            if key || says("api key not valid") || says("api key expired") {
                Class::Auth
            } else if is_too_long(message) {
                Class::ContextWindow
            } else if kind == "FAILED_PRECONDITION" && says("billing") {
                Class::Quota
            } else if kind == "FAILED_PRECONDITION" && says("location") {
                Class::Auth
            } else {
                Class::Request
            }
        }
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" | "ABORTED" | "CANCELLED" => Class::Server,
        _ => by_status(status),
    }
}

// ===== impl Details =====

impl<'a> Details<'a> {
    fn read(error: &'a Value) -> Self {
        let mut read = Self::default();
        let details = error.get("details").and_then(Value::as_array);
        for detail in details.into_iter().flatten() {
            if let Some(delay) = detail.get("retryDelay") {
                read.delay = duration(delay);
            }
            if let Some(reason) = detail.get("reason").and_then(Value::as_str) {
                read.reason = Some(reason);
            }
            let violations = detail.get("violations").and_then(Value::as_array);
            for violation in violations.into_iter().flatten() {
                let id = violation.get("quotaId").and_then(Value::as_str);
                let id = id.unwrap_or_default();
                let none = violation
                    .get("quotaValue")
                    .is_some_and(|value| value.as_str() == Some("0") || value.as_u64() == Some(0));
                read.daily |= id.contains("PerDay");
                read.spent |= id.contains("PerMonth") || none;
                // Of several limits the longest tells.
                if !id.is_empty() && (read.quota.is_none() || id.contains("PerDay")) {
                    read.quota = Some(id);
                }
            }
        }
        read
    }
}
