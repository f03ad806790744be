use std::sync::Arc;

use http::{HeaderName, HeaderValue, Request};

use super::{Correlate, id};

/// Ids in the headers of HTTP requests.
///
/// An id that is longer than 128 bytes, or holds anything but visible ASCII, is not taken: the call gets another.
#[derive(Debug, Clone)]
pub struct HttpIds {
    header: HeaderName,
    traceparent: bool,
    propagate: bool,
}

// ===== impl HttpIds =====

impl Default for HttpIds {
    /// From `x-request-id`, or else the trace id of `traceparent`. Not passed on.
    fn default() -> Self {
        Self {
            header: HeaderName::from_static("x-request-id"),
            traceparent: true,
            propagate: false,
        }
    }
}

impl HttpIds {
    /// Reads ids from another header, and passes them on in it.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        self.header = name;
        self
    }

    /// Whether the trace id of a `traceparent` header serves where the other is absent.
    #[must_use]
    pub const fn traceparent(mut self, read: bool) -> Self {
        self.traceparent = read;
        self
    }

    /// Writes the id of each call into the header of its request, in place of any other. Every call has one then.
    #[must_use]
    pub const fn propagate(mut self) -> Self {
        self.propagate = true;
        self
    }
}

impl<B> Correlate<Request<B>> for HttpIds {
    fn find(&self, request: &Request<B>) -> Option<Arc<str>> {
        let text = |name: &HeaderName| request.headers().get(name)?.to_str().ok();
        if let Some(id) = text(&self.header).filter(|text| id::is_id(text)) {
            return Some(Arc::from(id));
        }
        let traceparent = HeaderName::from_static("traceparent");
        let parent = text(&traceparent).filter(|_| self.traceparent)?;
        id::trace_id(parent).map(Arc::from)
    }

    fn passes_on(&self) -> bool {
        self.propagate
    }

    fn pass_on(&self, request: &mut Request<B>, id: &str) {
        // One that a header cannot hold came with the context, and goes nowhere else.
        if let Ok(value) = HeaderValue::from_str(id) {
            request.headers_mut().insert(self.header.clone(), value);
        }
    }
}
