use std::time::{Duration, SystemTime};

use campanile_llm::dialect::Api;
use serde_json::{Value, json};

use super::Answer;

/// How a provider that is asked too much says when to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// Not at all.
    None,
    /// `retry-after: 3`.
    Seconds(u64),
    /// `retry-after: 2.5`: hundredths of a second.
    Float(u64),
    /// `retry-after` with a date, so many seconds from now. Dates are whole seconds, so the time told may be one less.
    Date(u64),
    /// `retry-after-ms`.
    Millis(u64),
    /// `x-ratelimit-reset-requests` of OpenAI, `anthropic-ratelimit-requests-reset` of Anthropic, in seconds.
    Reset(u64),
    /// Gemini's `RetryInfo`, in seconds.
    RetryInfo(u64),
}

// ===== impl Hint =====

impl Hint {
    /// Each kind, of about this many seconds.
    #[must_use]
    pub const fn each(seconds: u64) -> [Self; 7] {
        [
            Self::None,
            Self::Seconds(seconds),
            Self::Float(seconds * 100),
            Self::Date(seconds),
            Self::Millis(seconds * 1000),
            Self::Reset(seconds),
            Self::RetryInfo(seconds),
        ]
    }
}

// ===== impl Answer =====

impl Answer {
    /// An error in an interface's form: of this status, with this word for its kind.
    #[must_use]
    pub fn error(api: Api, status: u16, kind: &str, message: &str) -> Self {
        Self::whole(status, body(api, status, kind, message).to_string())
    }

    /// Too many requests, with a hint.
    #[must_use]
    pub fn rate_limited(api: Api, hint: Hint) -> Self {
        let kind = match api {
            Api::OpenAi => "rate_limit_exceeded",
            Api::Anthropic => "rate_limit_error",
            _ => "RESOURCE_EXHAUSTED",
        };
        let mut error = body(api, 429, kind, "Rate limit reached for requests");
        if let (Hint::RetryInfo(seconds), Api::Gemini) = (hint, api) {
            error["error"]["details"] = json!([
                {
                    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                    "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}],
                },
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{seconds}s")},
            ]);
        }
        let answer = Self::whole(429, error.to_string());
        let date = |seconds| SystemTime::now() + Duration::from_secs(seconds);
        match hint {
            Hint::None | Hint::RetryInfo(_) => answer,
            Hint::Seconds(seconds) => answer.header("retry-after", seconds.to_string()),
            Hint::Float(hundredths) => answer.header(
                "retry-after",
                format!("{}.{:02}", hundredths / 100, hundredths % 100),
            ),
            Hint::Date(seconds) => {
                answer.header("retry-after", httpdate::fmt_http_date(date(seconds)))
            }
            Hint::Millis(millis) => answer.header("retry-after-ms", millis.to_string()),
            Hint::Reset(seconds) if api == Api::Anthropic => answer
                .header("anthropic-ratelimit-requests-limit", "50")
                .header("anthropic-ratelimit-requests-remaining", "0")
                .header(
                    "anthropic-ratelimit-requests-reset",
                    humantime::format_rfc3339_seconds(date(seconds)).to_string(),
                ),
            Hint::Reset(seconds) => answer
                .header("x-ratelimit-limit-requests", "60")
                .header("x-ratelimit-remaining-requests", "0")
                .header("x-ratelimit-reset-requests", format!("{seconds}s")),
        }
    }

    /// What an interface sends where a stream fails that has begun.
    #[must_use]
    pub fn error_frame(api: Api) -> String {
        match api {
            Api::Anthropic => "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n".into(),
            Api::Ollama => "{\"error\":\"an error was encountered while running the model\"}\n".into(),
            Api::OpenAi => "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n".into(),
            _ => format!("data: {}\n\n", body(api, 503, "UNAVAILABLE", "The model is overloaded")),
        }
    }
}

fn body(api: Api, status: u16, kind: &str, message: &str) -> Value {
    match api {
        Api::Anthropic => {
            json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})
        }
        Api::Gemini => json!({"error": {"code": status, "message": message, "status": kind}}),
        Api::Ollama => json!({"error": message}),
        _ => json!({"error": {"message": message, "type": kind, "param": null, "code": kind}}),
    }
}
