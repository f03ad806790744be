//! Answers that are no success, as OpenAI writes them.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header::RETRY_AFTER};
use serde_json::json;

use super::{
    SimulatedBody,
    service::{Slot, json_response},
};

/// What is answered instead.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<&'static str>,
    message: String,
    retry_after: Option<Duration>,
}

// ===== impl Refusal =====

impl Refusal {
    /// The request is at fault.
    pub(super) fn invalid(param: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            code: None,
            param: Some(param),
            message: message.into(),
            retry_after: None,
        }
    }

    /// The body is no JSON, or not as it is to be.
    pub(super) fn unreadable(error: &serde_json::Error) -> Self {
        Self {
            param: None,
            ..Self::invalid("", format!("the body cannot be read: {error}"))
        }
    }

    pub(super) fn too_long(tokens: usize, most: usize) -> Self {
        Self {
            code: Some("context_length_exceeded"),
            ..Self::invalid(
                "input",
                format!("the input has {tokens} tokens, and at most {most} are taken"),
            )
        }
    }

    /// There is nothing here.
    pub(super) fn nowhere(path: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            param: None,
            ..Self::invalid("", format!("there is nothing at {path}"))
        }
    }

    /// It is asked in the wrong way.
    pub(super) fn method() -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            param: None,
            ..Self::invalid("", "the method is not allowed here")
        }
    }

    /// It fails, as it is set to.
    pub(super) fn failed(name: &str) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "server_error",
            code: None,
            param: None,
            message: format!("[simulated by {name}] failed, as it is set to"),
            retry_after: None,
        }
    }

    /// It has too much to do, or is set to say so.
    pub(super) fn throttled(message: String, retry_after: Duration) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            kind: "requests",
            code: Some("rate_limit_exceeded"),
            param: None,
            message,
            retry_after: Some(retry_after),
        }
    }

    pub(super) fn response(&self, slot: Option<Slot>) -> Response<SimulatedBody> {
        let body = json!({ "error": {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }});
        let mut response = json_response(SimulatedBody::whole(body.to_string(), slot));
        *response.status_mut() = self.status;
        if let Some(after) = self.retry_after {
            // Fractions of a second, as some servers send them, are not for the header.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
