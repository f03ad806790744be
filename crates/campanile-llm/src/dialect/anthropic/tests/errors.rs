use std::time::Duration;

use campanile::{Rejection, rejection::RejectionKind};
use http::HeaderMap;
use serde_json::Value;

use super::*;
use crate::error::Class;

fn told(status: u16, kind: &str, message: &str) -> Error {
    let body = serde_json::json!({
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": "req_body",
    });
    error(status, &HeaderMap::new(), body.to_string().as_bytes())
}

#[test]
fn every_answer_has_its_class() {
    const REQUEST: &str = "invalid_request_error";
    for (status, kind, message, class) in [
        (
            400,
            REQUEST,
            "messages: at least one message is required",
            Class::Request,
        ),
        (
            400,
            REQUEST,
            "prompt is too long: 208310 tokens > 200000 maximum",
            Class::ContextWindow,
        ),
        (
            400,
            REQUEST,
            "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length",
            Class::ContextWindow,
        ),
        (
            400,
            REQUEST,
            "Your credit balance is too low to access the Anthropic API.",
            Class::Quota,
        ),
        (
            400,
            REQUEST,
            "You have reached your specified API usage limits. You will regain access on 2026-01-01.",
            Class::Quota,
        ),
        (
            400,
            REQUEST,
            "Output blocked by content filtering policy",
            Class::ContentFilter,
        ),
        (
            401,
            "authentication_error",
            "invalid x-api-key",
            Class::Auth,
        ),
        (
            402,
            "billing_error",
            "there is a problem with your billing",
            Class::Quota,
        ),
        (403, "permission_error", "not with this key", Class::Auth),
        (
            404,
            "not_found_error",
            "model: claude-none",
            Class::ModelNotFound,
        ),
        (404, "not_found_error", "Not Found", Class::Request),
        (408, "timeout_error", "slow", Class::Timeout),
        (409, "conflict_error", "at once", Class::Server),
        (
            413,
            "request_too_large",
            "Request exceeds the maximum size",
            Class::Request,
        ),
        (
            429,
            "rate_limit_error",
            "Number of requests has exceeded your per-minute rate limit",
            Class::Rate,
        ),
        (
            429,
            "rate_limit_error",
            "You have reached your API usage limits",
            Class::Quota,
        ),
        (500, "api_error", "Internal server error", Class::Server),
        (502, "api_error", "Bad gateway", Class::Server),
        (503, "api_error", "unavailable", Class::Overload),
        (504, "timeout_error", "took too long", Class::Timeout),
        (529, "overloaded_error", "Overloaded", Class::Overload),
        (500, "overloaded_error", "Overloaded", Class::Overload),
    ] {
        let error = told(status, kind, message);
        assert_eq!(error.class(), class, "{status} {message}");
        assert_eq!(error.status(), Some(status));
        assert_eq!((error.kind(), error.message()), (Some(kind), message));
        assert_eq!(error.request_id(), Some("req_body"));
    }
}

#[test]
fn codes_are_read() {
    for (status, code, class) in [
        (429, "enforced_spend_limit_reached", Class::Quota),
        (429, "contract_spend_limit_reached", Class::Quota),
        (429, "ramp_limit_exceeded", Class::Rate),
        (400, "organization_on_hold", Class::Auth),
        (400, "tool_name_conflict", Class::Request),
    ] {
        let body = format!(
            r#"{{"type":"error","error":{{"type":"x","message":"y","details":{{"error_code":"{code}"}}}}}}"#
        );
        let error = error(status, &HeaderMap::new(), body.as_bytes());
        assert_eq!((error.class(), error.code()), (class, Some(code)));
    }
}

#[test]
fn servers_that_speak_it_beside_another_interface_are_understood() {
    for (status, body, class) in [
        (
            400,
            r#"{"error":{"code":400,"message":"request (60010 tokens) exceeds the available context size (2048 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":60010,"n_ctx":2048}}"#,
            Class::ContextWindow,
        ),
        (
            400,
            r#"{"error":{"code":"context_length_exceeded","message":"too many","type":"invalid_request_error"}}"#,
            Class::ContextWindow,
        ),
        (
            500,
            r#"{"error":{"code":500,"message":"image input is not supported - hint: if this is unexpected, you may need to provide the mmproj","type":"server_error"}}"#,
            Class::Request,
        ),
    ] {
        let error = error(status, &HeaderMap::new(), body.as_bytes());
        assert_eq!(error.class(), class, "{body}");
    }
}

#[test]
fn headers_are_read() {
    let mut headers = HeaderMap::new();
    headers.insert("request-id", "req_head".parse().unwrap());
    headers.insert("retry-after", "7".parse().unwrap());
    let error = error(429, &headers, br#"{"request_id":"req_body"}"#);
    assert_eq!(error.request_id(), Some("req_head"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[test]
fn what_is_no_error_of_the_interface_is_one_by_its_status() {
    let long = "x".repeat(1000);
    for (body, says) in [
        ("<html>Bad Gateway</html>", "<html>Bad Gateway</html>"),
        ("", "status 502 without a word"),
        (r#"{"error":"no"}"#, r#"{"error":"no"}"#),
        (&long, &long[..500]),
    ] {
        let error = error(502, &HeaderMap::new(), body.as_bytes());
        assert_eq!((error.class(), error.message()), (Class::Server, says));
    }
    for (status, class) in [
        (404, Class::Malformed),
        (405, Class::Malformed),
        (400, Class::Request),
    ] {
        let error = error(
            status,
            &HeaderMap::new(),
            "é the model".repeat(99).as_bytes(),
        );
        assert_eq!(error.class(), class, "{status}");
    }
}

#[test]
fn errors_are_told_in_the_dialect() {
    for (class, kind) in [
        (Class::Rate, "rate_limit_error"),
        (Class::Quota, "overloaded_error"),
        (Class::Overload, "overloaded_error"),
        (Class::Server, "api_error"),
        (Class::Auth, "api_error"),
        (Class::Timeout, "timeout_error"),
        (Class::Request, "invalid_request_error"),
        (Class::ContextWindow, "invalid_request_error"),
        (Class::ModelNotFound, "not_found_error"),
        (Class::Interrupted, "api_error"),
    ] {
        let error = Error::new(class, "a \"b\"\n").with_request_id("req_1");
        let message = match class {
            Class::Auth => "the provider does not accept the key that is configured for it",
            Class::Quota => "what may be used of the provider is used up",
            _ => "a \"b\"\n",
        };
        let body: Value = serde_json::from_slice(&error_body(&error)).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "type": "error",
                "error": {"type": kind, "message": message},
                "request_id": "req_1",
            }),
        );
        let frame = error_frame(&error);
        let [frame] = &frames(&frame)[..] else {
            panic!("it is one frame");
        };
        assert_eq!(frame.event(), "error");
        assert_eq!(*frame.data(), error_body(&error));
    }
    let large = Error::new(Class::Request, "x").with_status(413);
    assert!(
        error_body(&large).starts_with(br#"{"type":"error","error":{"type":"request_too_large""#)
    );
    let refused = Error::from(Rejection::new(RejectionKind::RateLimited, "rate_limit"));
    assert!(
        error_body(&refused).starts_with(br#"{"type":"error","error":{"type":"rate_limit_error""#)
    );
}

#[test]
fn an_error_frame_is_read_as_the_error_again() {
    for class in [
        Class::Rate,
        Class::Overload,
        Class::Server,
        Class::Timeout,
        Class::Request,
        Class::ModelNotFound,
    ] {
        let frame = error_frame(&Error::new(class, "no such model"));
        let (deltas, end) = parsed(&frame);
        assert_eq!(end.unwrap_err().class(), class);
        assert!(deltas.is_empty());
    }
}
