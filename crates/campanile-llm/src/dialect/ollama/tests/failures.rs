use std::time::Duration;

use http::HeaderMap;

use super::super::error;
use crate::error::Class;

#[test]
fn each_error_has_its_class() {
    for (status, words, class) in [
        (
            404,
            "model \"qwen3:4b\" not found, try pulling it first",
            Class::ModelNotFound,
        ),
        (500, "model 'x' not found", Class::ModelNotFound),
        (
            503,
            "server busy, please try again.  maximum pending requests exceeded",
            Class::Overload,
        ),
        (
            400,
            "the input length exceeds the context length",
            Class::ContextWindow,
        ),
        (
            400,
            "prompt too long; exceeded max context length by 12 tokens",
            Class::ContextWindow,
        ),
        (
            500,
            "request (5000 tokens) exceeds the available context size (4096 tokens)",
            Class::ContextWindow,
        ),
        (
            400,
            "registry.ollama.ai/library/gemma3:1b does not support tools",
            Class::Request,
        ),
        (400, "\"gemma3\" does not support thinking", Class::Request),
        (401, "unauthorized", Class::Auth),
        (402, "this model requires a subscription", Class::Quota),
        (
            429,
            "you have reached your weekly usage limit, upgrade for higher limits",
            Class::Quota,
        ),
        (429, "too many concurrent requests", Class::Rate),
        (
            500,
            "model requires more system memory (9.0 GiB) than is available (4.0 GiB)",
            Class::Server,
        ),
        (500, "model runner has unexpectedly stopped", Class::Server),
        (
            504,
            "timed out waiting for llama runner to start",
            Class::Timeout,
        ),
    ] {
        let body = serde_json::json!({"error": words}).to_string();
        let error = error(status, &HeaderMap::new(), body.as_bytes());
        assert_eq!(error.class(), class, "{words}");
        assert_eq!(error.message(), words);
        assert_eq!(error.status(), Some(status));
        assert_eq!(error.retry_after(), None);
    }
}

#[test]
fn what_is_no_error_of_ollamas_is_judged_by_its_status() {
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", "7".parse().unwrap());
    for (status, body, class, says) in [
        (502, "<html>", Class::Server, "<html>"),
        (503, "", Class::Overload, "status 503"),
        (
            404,
            "404 page not found",
            Class::Malformed,
            "page not found",
        ),
        (
            400,
            "{\"error\": {\"message\": \"bad\", \"type\": \"x\"}}",
            Class::Request,
            "bad",
        ),
        (
            404,
            "{\"error\": {\"message\": \"no such model\"}}",
            Class::ModelNotFound,
            "no such",
        ),
        (500, "{\"error\": 7}", Class::Server, "error"),
    ] {
        let error = error(status, &headers, body.as_bytes());
        assert_eq!(error.class(), class, "{body}");
        assert!(error.message().contains(says), "{body}: {error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
}
