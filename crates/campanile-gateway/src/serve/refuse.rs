//! Requests that are answered before anybody is asked.

use std::time::Duration;

use bytes::Bytes;
use campanile::{Rejection, rejection::RejectionKind, trace};
use campanile_llm::{Error, dialect::Dialect, error::Class};
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::{
    Audience,
    body::{self, Body},
};
use crate::{access::quoted, operate::RequestId};

/// What there is, for those who ask for something else.
const CALLS: &str = "POST /v1/chat/completions, POST /v1/messages, POST /v1/embeddings, GET /v1/models, GET /v1/models/{id}, \
                     each also without /v1 and below /stages/{stage}; ";
const HEALTH: &str = "GET /healthz, /readyz";
const OPERATORS: &str = ", /status, /metrics";

/// After how long a client may come again that came while the gateway stopped, in seconds: another one is there by then.
const COME_AGAIN: HeaderValue = HeaderValue::from_static("1");

/// An error of the caller's.
pub(super) fn fault(status: u16, message: impl Into<String>) -> Error {
    Error::new(Class::Request, message)
        .with_status(status)
        .with_kind("invalid_request_error")
}

/// The answer to an error. Where a body tells the call's name, it is the name by which the caller knows it, and not what a
/// provider calls it.
pub(super) fn answer(error: Error, dialect: Dialect, id: &RequestId) -> Response<Body> {
    let error = match dialect {
        Dialect::Anthropic => error.with_request_id(&**id.text()),
        _ => error,
    };
    let response = error.into_http(dialect);
    let is_unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    let mut response = response.map(Body::Left);
    if is_unauthorized {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    response
}

#[cold]
pub(super) fn no_path(path: &str, audience: Audience) -> Error {
    let (calls, operators) = match audience {
        Audience::Everybody => (CALLS, OPERATORS),
        Audience::Callers => (CALLS, ""),
        Audience::Operators => ("", OPERATORS),
    };
    let path = quoted(path);
    let message = format!("there is nothing at {path:?}; there are: {calls}{HEALTH}{operators}");
    fault(404, message).with_code("unknown_url")
}

#[cold]
pub(super) fn wrong_method(allowed: &'static str) -> Error {
    fault(405, format!("here one may {allowed}")).with_code("method_not_allowed")
}

/// What may be done, without doing it.
pub(super) fn options(allowed: &'static str) -> Response<Body> {
    let mut response = Response::new(body::whole(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(ALLOW, allowed);
    response
}

#[cold]
pub(super) fn not_json() -> Error {
    // Other types need no leave of browsers: any page that somebody looks at could have this gateway called.
    let message = "the body is JSON, and says so by `content-type: application/json`";
    fault(415, message).with_code("unsupported_media_type")
}

#[cold]
pub(super) fn encoded() -> Error {
    let message = "bodies are taken as they are: send it without `content-encoding`";
    fault(415, message).with_code("unsupported_media_type")
}

#[cold]
pub(super) fn too_large(most: usize) -> Error {
    let message =
        format!("the body is larger than {most} bytes, which is as much as is taken here");
    fault(413, message).with_code("request_too_large")
}

#[cold]
pub(super) fn too_slow(seconds: f64) -> Error {
    let message = format!("the body has not come within {seconds} s");
    fault(408, message).with_code("request_timeout")
}

/// For bodies that there is no room for at the moment.
#[cold]
pub(super) fn no_room() -> Error {
    let shed = Rejection::new(RejectionKind::Shed, "server.max_body_memory");
    shed.with_retry_after(Duration::from_secs(1)).into()
}

#[cold]
pub(super) fn broken_off() -> Error {
    fault(400, "the body broke off, or is not sent as HTTP says")
}

/// For calls that come when no more are taken: they are to be sent again, which will be to another gateway, or to this one when
/// it is there again.
#[cold]
pub(super) fn stopping() -> Error {
    Error::new(Class::Overload, "the gateway stops; send the call again")
}

/// For calls that have no answer when it ends. One that was sent may have been answered and paid for: whether it is to be sent
/// twice its caller knows, and no SDK.
#[cold]
pub(super) fn cut(was_sent: bool) -> Error {
    match was_sent {
        true => {
            let message =
                "the gateway stops, and the answer was cut; the call may have reached a provider";
            Error::new(Class::Interrupted, message)
        }
        false => stopping(),
    }
}

/// Has the caller send it again: 503 in every dialect, since it is what proxies know.
#[cold]
pub(super) fn come_again(response: &mut Response<Body>) {
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, COME_AGAIN);
    headers.insert(
        HeaderName::from_static("x-should-retry"),
        HeaderValue::from_static("true"),
    );
}

/// For calls that something here broke at.
#[cold]
pub(super) fn broken() -> Error {
    Error::new(Class::Server, "something broke within the gateway")
}

/// The whole answer to a head that cannot be read, by the status that it has; `None` for a status that is no such answer's.
#[cold]
pub(super) fn unread_head(status: &[u8]) -> Option<Bytes> {
    let (status, code, message) = match status {
        b"400" => (
            "400 Bad Request",
            "bad_request",
            "the head of the request is not HTTP",
        ),
        b"408" => (
            "408 Request Timeout",
            "request_timeout",
            "the head of the request has not come in time",
        ),
        b"414" => (
            "414 URI Too Long",
            "uri_too_long",
            "the path of the request is too long",
        ),
        b"431" => (
            "431 Request Header Fields Too Large",
            "head_too_large",
            "the head of the request is too long, or has more than 100 fields",
        ),
        b"505" => (
            "505 HTTP Version Not Supported",
            "http_version_not_supported",
            "HTTP/1.1 is spoken here, and HTTP/2 is not; a proxy in front may speak it",
        ),
        _ => return None,
    };
    Some(raw(status, code, message))
}

/// In the shape of both dialects: which one is spoken is not known yet.
fn raw(status: &str, code: &str, message: &str) -> Bytes {
    let id = trace::new_id();
    let body = serde_json::json!({
        "type": "error",
        "error": {
            "type": "invalid_request_error", "message": message, "param": null, "code": code
        },
        "request_id": &*id,
    })
    .to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         x-request-id: {id}\r\nrequest-id: {id}\r\nx-should-retry: false\r\nconnection: close\r\n\r\n{body}"
    )
    .into()
}
