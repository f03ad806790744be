//! Requests that are answered before anybody is asked.

use bytes::Bytes;
use campanile_llm::{Error, dialect::Dialect, error::Class};
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::body::Body;
use crate::access::quoted;

/// What there is, for those who ask for something else.
const PATHS: &str = "POST /v1/chat/completions, POST /v1/messages, POST /v1/embeddings, GET /v1/models, GET /v1/models/{id}, \
                     each also without /v1 and below /stages/{stage}; GET /healthz, /readyz, /status, /metrics";

/// After how long a client may come again that came while the gateway stopped, in seconds: another one is there by then.
const COME_AGAIN: HeaderValue = HeaderValue::from_static("1");

/// An error of the caller's.
pub(super) fn fault(status: u16, message: impl Into<String>) -> Error {
    Error::new(Class::Request, message)
        .with_status(status)
        .with_kind("invalid_request_error")
}

/// The answer to an error.
pub(super) fn answer(error: Error, dialect: Dialect) -> Response<Body> {
    let response = error.into_http(dialect);
    let is_unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    let mut response = response.map(Body::front);
    if is_unauthorized {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    response
}

#[cold]
pub(super) fn no_path(path: &str, dialect: Dialect) -> Response<Body> {
    let message = format!("there is nothing at {:?}; there are: {PATHS}", quoted(path));
    answer(fault(404, message).with_code("unknown_url"), dialect)
}

#[cold]
pub(super) fn wrong_method(allowed: &'static str, dialect: Dialect) -> Response<Body> {
    let error = fault(405, format!("here one may {allowed}")).with_code("method_not_allowed");
    let mut response = answer(error, dialect);
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(ALLOW, allowed);
    response
}

/// What may be done, without doing it.
pub(super) fn options(allowed: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::whole(Bytes::new()));
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

#[cold]
pub(super) fn broken_off() -> Error {
    fault(400, "the body broke off, or is not sent as HTTP says")
}

/// For calls that come when no more are taken, or that have no answer when it ends: they are to be sent again, which will be
/// to another gateway, or to this one when it is there again.
#[cold]
pub(super) fn stopping(dialect: Dialect) -> Response<Body> {
    let error = Error::new(Class::Overload, "the gateway stops; send the call again");
    let mut response = answer(error, dialect);
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, COME_AGAIN);
    headers.insert(
        HeaderName::from_static("x-should-retry"),
        HeaderValue::from_static("true"),
    );
    response
}

/// For calls that something here broke at.
#[cold]
pub(super) fn broken(dialect: Dialect) -> Response<Body> {
    let error = Error::new(Class::Server, "something broke within the gateway");
    let mut response = answer(error, dialect);
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// The whole answer to a head that cannot be read, by the status that it has; `None` for a status that is no such answer's.
#[cold]
pub(super) fn unread_head(status: &[u8]) -> Option<Bytes> {
    Some(match status {
        b"400" => raw("400 Bad Request", "the head of the request is not HTTP"),
        b"408" => raw(
            "408 Request Timeout",
            "the head of the request has not come in time",
        ),
        b"414" => raw("414 URI Too Long", "the path of the request is too long"),
        b"431" => raw(
            "431 Request Header Fields Too Large",
            "the head of the request is too long, or has more than 100 fields",
        ),
        _ => return None,
    })
}

/// In the shape of both dialects: which one is spoken is not known yet.
fn raw(status: &str, message: &str) -> Bytes {
    let body = serde_json::json!({
        "type": "error",
        "error": {
            "type": "invalid_request_error", "message": message, "param": null, "code": null
        }
    })
    .to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         x-should-retry: false\r\nconnection: close\r\n\r\n{body}"
    )
    .into()
}
