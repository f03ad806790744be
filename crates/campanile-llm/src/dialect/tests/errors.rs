//! What errors mean, at every interface, and how they are told in every dialect.

use std::time::Duration;

use campanile::Outcome;
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{super::*, APIS, DIALECTS};
use crate::error::Class;

/// An error as each interface writes it.
fn said(api: Api, status: u16, message: &str) -> Vec<u8> {
    let anthropic = match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..500 => "invalid_request_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    let google = match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "",
    };
    let json = match api {
        Api::OpenAi => json!({"error": {"message": message, "type": null, "code": null}}),
        Api::Anthropic => {
            json!({"type": "error", "error": {"type": anthropic, "message": message}})
        }
        Api::Gemini => json!({"error": {"code": status, "message": message, "status": google}}),
        Api::Ollama => json!({"error": message}),
    };
    json.to_string().into_bytes()
}

/// The rows of what an error means: status, class, and the status that a caller is answered with.
const STATUSES: [(u16, Class, u16); 17] = [
    (400, Class::Request, 400),
    (401, Class::Auth, 502),
    (402, Class::Quota, 503),
    (403, Class::Auth, 502),
    (404, Class::ModelNotFound, 404),
    (407, Class::Auth, 502),
    (408, Class::Timeout, 504),
    (409, Class::Server, 502),
    (413, Class::Request, 413),
    (422, Class::Request, 422),
    (425, Class::Server, 502),
    (429, Class::Rate, 429),
    (500, Class::Server, 502),
    (502, Class::Server, 502),
    (503, Class::Overload, 503),
    (504, Class::Timeout, 504),
    (529, Class::Overload, 503),
];

/// What the pool is told.
fn outcome(class: Class, wait: Option<Duration>) -> Outcome {
    match class {
        Class::Rate => Outcome::Throttled { retry_after: wait },
        Class::Quota | Class::Auth => Outcome::Throttled {
            retry_after: wait.or(Some(Duration::from_secs(300))),
        },
        Class::Overload => Outcome::Overloaded { retry_after: wait },
        Class::Request | Class::ModelNotFound => Outcome::Ignored,
        class => class.outcome(None),
    }
}

#[test]
fn a_status_means_the_same_at_every_interface() {
    let wait = Duration::from_millis(2_500);
    for api in APIS {
        for (status, class, answered) in STATUSES {
            let which = format!("{api:?} {status}");
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", "2.5".parse().unwrap());
            let body = said(api, status, "the model is not there");
            let error = api.error(status, &headers, &body);
            // Google says when a minute is over, also where that is no matter.
            let lies = api == Api::Gemini && class == Class::Quota;
            let wait = (!lies).then_some(wait);
            assert_eq!(error.class(), class, "{which}");
            assert_eq!(error.status(), Some(status), "{which}");
            assert_eq!(error.answer_status(), answered, "{which}");
            assert_eq!(error.retry_after(), wait, "{which}");
            assert_eq!(error.outcome(), outcome(class, wait), "{which}");
            let failure = matches!(error.outcome(), Outcome::Failure(_));
            assert_eq!(
                failure,
                matches!(class, Class::Timeout | Class::Server),
                "{which}"
            );

            let error = api.error(status, &HeaderMap::new(), b"");
            let class = match status {
                // Nothing there that speaks the interface.
                404 => Class::Malformed,
                _ => class,
            };
            assert_eq!(error.class(), class, "{which} without a word");
            assert_eq!(error.retry_after(), None, "{which} without a word");
        }
        for status in [302, 200, 600] {
            let error = api.error(status, &HeaderMap::new(), b"<html>elsewhere</html>");
            assert_eq!(error.class(), Class::Malformed, "{api:?} {status}");
        }
    }
}

#[test]
fn no_wait_is_longer_than_a_day() {
    for api in APIS {
        for wait in ["9e9", "1e300", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", wait.parse().unwrap());
            let error = api.error(429, &headers, &said(api, 429, "slower"));
            let day = Duration::from_secs(86_400);
            assert_eq!(error.retry_after(), Some(day), "{api:?} {wait}");
        }
    }
}

#[test]
fn words_of_errors_are_bounded() {
    let long = "é".repeat(100_000);
    let mut headers = HeaderMap::new();
    for name in ["x-request-id", "request-id"] {
        headers.insert(name, "r".repeat(60_000).parse().unwrap());
    }
    let bodies = [
        json!({"type": &long, "error": {"type": &long, "code": &long, "message": &long, "param": &long, "status": &long, "details": [{"reason": &long}]}, "request_id": &long}),
        json!({"error": &long, "code": &long}),
        json!({"detail": &long}),
        json!(&long),
    ];
    for api in APIS {
        for body in &bodies {
            let error = api.error(400, &headers, body.to_string().as_bytes());
            assert!(format!("{error:?}").len() < 12_000, "{api:?}");
            assert!(!error.message().is_empty(), "{api:?}");
        }
    }
}

proptest! {
    #[test]
    fn errors_are_written_whatever_they_say(message in any::<String>(), code in any::<String>()) {
        for class in Class::ALL {
            let error = Error::new(class, &*message)
                .with_code(&*code)
                .with_param(&*code)
                .with_request_id(&*message);
            for dialect in DIALECTS {
                let body: Value = serde_json::from_slice(&dialect.error_body(&error)).unwrap();
                let frame = dialect.error_frame(&error);
                let frame = std::str::from_utf8(&frame).unwrap();
                let data = frame.strip_prefix("event: error\n").unwrap_or(frame);
                let data = data.strip_prefix("data: ").and_then(|data| data.strip_suffix("\n\n"));
                let data = data.unwrap();
                prop_assert!(!data.contains(['\n', '\r']));
                prop_assert_eq!(&serde_json::from_str::<Value>(data).unwrap(), &body);
                if !matches!(class, Class::Auth | Class::Quota) {
                    prop_assert_eq!(&body["error"]["message"], &message);
                }
            }
        }
    }
}
