use std::time::Duration;

use http::HeaderMap;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::dialect::openai::{error, error_body, error_frame, error_in};

fn of(status: u16, body: &str) -> Error {
    error(status, &HeaderMap::new(), body.as_bytes())
}

#[test]
fn every_servers_errors_are_understood() {
    for (status, body, class) in [
        (
            429,
            r#"{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}"#,
            Class::Rate,
        ),
        (
            429,
            r#"{"error":{"message":"You exceeded","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            Class::Quota,
        ),
        (
            429,
            r#"{"error":{"message":"x","code":"credit_balance_exhausted"}}"#,
            Class::Quota,
        ),
        (
            429,
            r#"{"error":{"message":"x","code":"project_spend_limit_exceeded"}}"#,
            Class::Quota,
        ),
        (
            403,
            r#"{"error":{"message":"x","code":"monthly_usage_limit_exceeded"}}"#,
            Class::Quota,
        ),
        (
            503,
            r#"{"error":{"message":"Slow down","code":"slow_down"}}"#,
            Class::Rate,
        ),
        (
            503,
            r#"{"error":{"message":"overloaded"}}"#,
            Class::Overload,
        ),
        (529, "", Class::Overload),
        (
            400,
            r#"{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
            Class::ContextWindow,
        ),
        // vLLM, old and new.
        (
            400,
            r#"{"object":"error","message":"This model's maximum context length is 8192 tokens. However","type":"BadRequestError","param":null,"code":400}"#,
            Class::ContextWindow,
        ),
        (
            400,
            r#"{"error":{"message":"You passed 1015 input tokens. However, the model's context length is only 1024 tokens","type":"BadRequestError","code":400}}"#,
            Class::ContextWindow,
        ),
        (
            404,
            r#"{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","code":404}"#,
            Class::ModelNotFound,
        ),
        // llama.cpp.
        (
            400,
            r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_ctx":512}}"#,
            Class::ContextWindow,
        ),
        (
            500,
            r#"{"error":{"code":500,"message":"the request exceeds the available context size, try increasing it","type":"server_error"}}"#,
            Class::ContextWindow,
        ),
        (
            503,
            r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
            Class::Overload,
        ),
        // xAI.
        (
            400,
            r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: na***ys."}"#,
            Class::Auth,
        ),
        (
            404,
            r#"{"code":"Some requested entity was not found","error":"The model grok-x does not exist"}"#,
            Class::ModelNotFound,
        ),
        (
            400,
            r#"{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072"}"#,
            Class::ContextWindow,
        ),
        (
            403,
            r#"{"code":"x","error":"Your newly created team doesn't have any credits yet."}"#,
            Class::Quota,
        ),
        (
            403,
            r#"{"code":"x","error":"Content violates usage guidelines."}"#,
            Class::ContentFilter,
        ),
        // OpenRouter.
        (
            402,
            r#"{"error":{"code":402,"message":"Insufficient credits"}}"#,
            Class::Quota,
        ),
        (
            403,
            r#"{"error":{"code":403,"message":"flagged","metadata":{"reasons":["x"],"flagged_input":"y"}}}"#,
            Class::ContentFilter,
        ),
        (403, r#"{"error":{"code":403,"message":"no"}}"#, Class::Auth),
        // Azure.
        (
            400,
            r#"{"error":{"message":"m","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            Class::ContentFilter,
        ),
        (
            400,
            r#"{"error":{"message":"x","code":"content_policy_violation"}}"#,
            Class::ContentFilter,
        ),
        (
            404,
            r#"{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}"#,
            Class::ModelNotFound,
        ),
        // Ollama.
        (
            404,
            r#"{"error":{"message":"model 'x' not found","type":"not_found_error"}}"#,
            Class::ModelNotFound,
        ),
        (
            404,
            r#"{"error":"model 'x' not found"}"#,
            Class::ModelNotFound,
        ),
        // Gemini by this interface.
        (
            429,
            r#"[{"error":{"code":429,"message":"Resource exhausted","status":"RESOURCE_EXHAUSTED"}}]"#,
            Class::Rate,
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
            Class::Auth,
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"The input token count (1048600) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}]"#,
            Class::ContextWindow,
        ),
        (
            404,
            r#"{"error":{"code":404,"message":"models/x is not found for API version v1main","status":"NOT_FOUND"}}"#,
            Class::ModelNotFound,
        ),
        // A status that is none of Google's names.
        (
            400,
            r#"{"error":{"code":400,"message":"the prompt is too long","status":"failed"}}"#,
            Class::ContextWindow,
        ),
        // SGLang.
        (
            400,
            r#"{"object":"error","message":"The input (9 tokens) is longer than the model's context length (8 tokens).","type":"BadRequest","code":400}"#,
            Class::ContextWindow,
        ),
        (
            401,
            r#"{"error":{"message":"x","code":"invalid_api_key"}}"#,
            Class::Auth,
        ),
        (408, "", Class::Timeout),
        (409, "{}", Class::Server),
        (413, "<html>413</html>", Class::Request),
        (
            422,
            r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
            Class::Request,
        ),
        (404, "<html>not here</html>", Class::Malformed),
        (404, r#"{"detail":"Not Found"}"#, Class::Request),
        (500, "", Class::Server),
        (502, "<html>Bad Gateway</html>", Class::Server),
        (504, "", Class::Timeout),
        (302, "", Class::Malformed),
    ] {
        let error = of(status, body);
        assert_eq!(error.class(), class, "{status} {body}");
        assert_eq!(error.status(), Some(status));
    }
}

#[test]
fn an_error_keeps_the_providers_words() {
    let mut headers = HeaderMap::new();
    headers.insert("x-request-id", "req_1".parse().unwrap());
    headers.insert("retry-after-ms", "1500".parse().unwrap());
    let body = br#"{"error":{"message":"slower","type":"tokens","param":"model","code":"rate_limit_exceeded"}}"#;
    let error = error(429, &headers, body);
    assert_eq!(error.message(), "slower");
    assert_eq!(error.kind(), Some("tokens"));
    assert_eq!(error.code(), Some("rate_limit_exceeded"));
    assert_eq!(error.param(), Some("model"));
    assert_eq!(error.request_id(), Some("req_1"));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(1_500)));
    headers.remove("retry-after-ms");
    headers.insert("retry-after", "2.5".parse().unwrap());
    let error = super::super::error(429, &headers, body);
    assert_eq!(error.retry_after(), Some(Duration::from_millis(2_500)));
}

/// Google's own form, by this interface: what it means stands in its details.
#[test]
fn googles_errors_are_read_as_its_own_interface_has_them() {
    let exhausted = |quota: &str| {
        let message =
            "You exceeded your current quota, please check your plan and billing details.";
        serde_json::json!([{"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "22s"},
        ]}}])
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-request-id", "req_1".parse().unwrap());
    let minute = exhausted("GenerateRequestsPerMinutePerProjectPerModel").to_string();
    for error in [
        error(429, &headers, minute.as_bytes()),
        error_in(minute.as_bytes()).with_request_id("req_1"),
    ] {
        assert_eq!(error.class(), Class::Rate);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(22)));
        assert_eq!(error.status(), Some(429));
        assert_eq!(error.kind(), Some("RESOURCE_EXHAUSTED"));
        assert_eq!(error.request_id(), Some("req_1"));
    }
    let day = exhausted("GenerateRequestsPerDayPerProjectPerModel").to_string();
    let error = of(429, &day);
    assert_eq!(error.class(), Class::Quota);
    assert!(
        error
            .retry_after()
            .is_some_and(|wait| wait != Duration::from_secs(22))
    );
}

#[test]
fn what_is_said_is_bounded() {
    let body = format!(r#"{{"error":{{"message":"{}"}}}}"#, "é".repeat(5_000));
    let error = of(400, &body);
    assert!(error.message().len() <= 2_048);
    let page = format!("<html>{}</html>", "secret".repeat(100));
    let error = of(502, &page);
    assert!(!error.message().contains("secret"), "{error}");
    assert!(error.message().len() < 100);
}

#[test]
fn errors_are_written_in_this_dialect() {
    for (error, kind, code) in [
        (
            Error::new(Class::Rate, "m"),
            "rate_limit_error",
            "rate_limit_exceeded",
        ),
        (
            Error::new(Class::ContextWindow, "m"),
            "invalid_request_error",
            "context_length_exceeded",
        ),
        (
            Error::new(Class::ModelNotFound, "m"),
            "invalid_request_error",
            "model_not_found",
        ),
        (
            Error::new(Class::Interrupted, "m"),
            "server_error",
            "interrupted",
        ),
        (Error::new(Class::Timeout, "m"), "server_error", "timeout"),
    ] {
        let body: Value = serde_json::from_slice(&error_body(&error)).unwrap();
        assert_eq!(body["error"]["message"], "m");
        assert_eq!(body["error"]["type"], kind);
        assert_eq!(body["error"]["code"], code);
        assert_eq!(body["error"]["param"], Value::Null);
        let frame = error_frame(&error);
        assert!(frame.starts_with(b"data: {") && frame.ends_with(b"}\n\n"));
        // Who reads the stream sees the failure.
        let (_, read) = verbatim(false, std::str::from_utf8(&frame).unwrap());
        assert_eq!(read.unwrap().message(), "m");
    }
    let key = Error::new(Class::Auth, "Incorrect API key provided: sk-12***9");
    assert!(!String::from_utf8_lossy(&error_body(&key)).contains("sk-"));
}

proptest! {
    #[test]
    fn any_body_is_an_error(status in 300_u16..600, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let error = error(status, &HeaderMap::new(), &body);
        prop_assert_eq!(error.status(), Some(status));
        prop_assert!(!error.message().is_empty());
    }
}
