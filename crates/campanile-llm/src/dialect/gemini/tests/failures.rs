use std::time::Duration;

use http::HeaderMap;
use serde_json::{Value, json};

use super::super::error;
use crate::error::{Class, Error};

fn failed(status: u16, body: &Value) -> Error {
    error(status, &HeaderMap::new(), body.to_string().as_bytes())
}

fn google(code: u16, status: &str, message: &str, details: Value) -> Value {
    json!({"error": {"code": code, "message": message, "status": status, "details": details}})
}

fn exhausted(quotas: &[&str], delay: &str) -> Value {
    let violations: Vec<_> = quotas
        .iter()
        .map(|id| {
            json!({
                "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
                "quotaId": id,
                "quotaDimensions": {"location": "global", "model": "gemini-2.5-flash"},
                "quotaValue": "10",
            })
        })
        .collect();
    google(
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
        json!([
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations},
            {"@type": "type.googleapis.com/google.rpc.Help", "links": [{"description": "Learn more", "url": "https://x"}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
        ]),
    )
}

const PER_MINUTE: &str = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier";
const PER_DAY: &str = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";

#[test]
fn a_limit_of_a_minute_is_waited_for() {
    let error = failed(429, &exhausted(&[PER_MINUTE], "22.5s"));
    assert_eq!(error.class(), Class::Rate);
    assert_eq!(error.retry_after(), Some(Duration::from_millis(22_500)));
    assert_eq!(error.status(), Some(429));
    assert_eq!(error.kind(), Some("RESOURCE_EXHAUSTED"));
    assert_eq!(error.code(), Some(PER_MINUTE));
}

#[test]
fn a_limit_of_a_day_is_not_over_in_a_minute() {
    for quotas in [
        &[PER_DAY][..],
        &[PER_MINUTE, PER_DAY],
        &[PER_DAY, PER_MINUTE],
    ] {
        let error = failed(429, &exhausted(quotas, "22s"));
        assert_eq!(error.class(), Class::Quota);
        assert_eq!(error.code(), Some(PER_DAY));
        let wait = error.retry_after().unwrap();
        assert_ne!(wait, Duration::from_secs(22));
        assert!(wait <= Duration::from_secs(25 * 3_600));
    }
}

#[test]
fn a_list_of_one_error_is_that_error() {
    let one = exhausted(&[PER_MINUTE], "3s");
    let error = failed(429, &json!([one]));
    assert_eq!(error.class(), Class::Rate);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
}

#[test]
fn each_status_has_its_class() {
    let none = json!([]);
    for (status, kind, message, details, class) in [
        (
            429,
            "RESOURCE_EXHAUSTED",
            "Resource has been exhausted (e.g. check quota).",
            &none,
            Class::Rate,
        ),
        (
            429,
            "RESOURCE_EXHAUSTED",
            "Your prepayment credits are depleted.",
            &none,
            Class::Quota,
        ),
        (
            429,
            "RESOURCE_EXHAUSTED",
            "Your project has exceeded its spending cap.",
            &none,
            Class::Quota,
        ),
        (
            429,
            "RESOURCE_EXHAUSTED",
            "none for you",
            &json!([{"violations": [{"quotaId": PER_MINUTE, "quotaValue": "0"}]}]),
            Class::Quota,
        ),
        (
            503,
            "UNAVAILABLE",
            "The model is overloaded. Please try again later.",
            &none,
            Class::Overload,
        ),
        (
            504,
            "DEADLINE_EXCEEDED",
            "Deadline expired before operation could complete.",
            &none,
            Class::Timeout,
        ),
        (
            500,
            "INTERNAL",
            "An internal error has occurred.",
            &none,
            Class::Server,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
            &json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]),
            Class::Auth,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "API key expired. Please renew the API key.",
            &none,
            Class::Auth,
        ),
        (
            403,
            "PERMISSION_DENIED",
            "Generative Language API has not been used in project 1",
            &none,
            Class::Auth,
        ),
        (
            401,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
            &none,
            Class::Auth,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
            &none,
            Class::ContextWindow,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "* GenerateContentRequest.contents: contents is not specified",
            &none,
            Class::Request,
        ),
        (
            400,
            "FAILED_PRECONDITION",
            "User location is not supported for the API use.",
            &none,
            Class::Auth,
        ),
        (
            400,
            "FAILED_PRECONDITION",
            "Please enable billing on project in Google AI Studio.",
            &none,
            Class::Quota,
        ),
        (
            404,
            "NOT_FOUND",
            "models/x is not found for API version v1beta",
            &none,
            Class::ModelNotFound,
        ),
    ] {
        let error = failed(status, &google(status, kind, message, details.clone()));
        assert_eq!(error.class(), class, "{message}");
        assert_eq!(error.status(), Some(status));
        assert_eq!(error.kind(), Some(kind));
        assert_eq!(error.message(), message);
    }
}

#[test]
fn what_is_no_error_of_googles_is_judged_by_its_status() {
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", "7".parse().unwrap());
    for (status, body, class, says) in [
        (502, "<html>Bad Gateway</html>", Class::Server, "<html>"),
        (503, "", Class::Overload, "status 503"),
        (429, "{\"detail\": 1}", Class::Rate, "detail"),
        (413, "[]", Class::Request, "[]"),
        (529, "\"busy\"", Class::Overload, "busy"),
        (500, "{\"error\": \"broken\"}", Class::Server, "broken"),
        (
            404,
            "404 page not found",
            Class::Malformed,
            "page not found",
        ),
        (
            404,
            "{\"detail\": \"Not Found\"}",
            Class::Malformed,
            "Not Found",
        ),
    ] {
        let error = error(status, &headers, body.as_bytes());
        assert_eq!(error.class(), class, "{body}");
        assert!(error.message().contains(says), "{body}: {error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{body}");
    }
}

#[test]
fn a_long_page_is_not_quoted_whole() {
    let page = "ä".repeat(100_000);
    let error = error(500, &HeaderMap::new(), page.as_bytes());
    assert_eq!(error.message().chars().count(), 500);
}

#[test]
fn no_key_is_told_on() {
    let key = "AIzaSyA-0123456789_abcdefghijklmnopqrstu";
    let message =
        format!("Permission denied: Consumer 'api_key:{key}' has been suspended ({key}).");
    let error = failed(403, &google(403, "PERMISSION_DENIED", &message, json!([])));
    assert_eq!(error.class(), Class::Auth);
    for text in [
        error.message().to_owned(),
        format!("{error:?}"),
        error.to_string(),
    ] {
        assert!(!text.contains("0123456789"), "{text}");
        assert!(text.contains("Permission denied: Consumer"), "{text}");
    }
}
