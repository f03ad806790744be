use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE},
};

use super::Body;
use crate::{
    chat::{Answer, ChatResponse},
    dialect::Dialect,
};

/// Tells nginx, and proxies that do as it does, to pass each event on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

// ===== impl ChatResponse =====

impl<S> ChatResponse<S> {
    /// This answer as an HTTP response of status 200, whose stream ends in this dialect if it fails. See
    /// [`front`](crate::front).
    pub fn into_http(self, dialect: Dialect) -> Response<Body<S>> {
        match self.answer {
            Answer::Whole(answer) => json(answer.body().clone()),
            Answer::Stream(stream) => {
                let mut response = Response::new(Body::stream(stream, dialect));
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
                headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
                response
            }
        }
    }
}

/// A response of status 200 with this JSON.
pub(super) fn json<S>(body: Bytes) -> Response<Body<S>> {
    let length = body.len();
    let mut response = Response::new(Body::whole(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, length.into());
    response
}
