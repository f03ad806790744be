//! What tells a call from others, in logs, errors and answers.

use std::{fmt, sync::Arc};

use campanile::trace;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header by which a caller names its call, and by which it is told.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The name of a call: the caller's, if it is 1 to 128 visible ASCII characters, or else 128 random bits in hexadecimal.
///
/// Found in the extensions of each request, and put on each answer, by the layer around all routes.
#[derive(Clone)]
pub(crate) struct RequestId {
    text: Arc<str>,
    logs: bool,
}

// ===== impl RequestId =====

impl RequestId {
    /// The one that the caller gave, or else a new one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        Self {
            text: match given.filter(|id| trace::is_id(id)) {
                Some(id) => id.into(),
                None => trace::new_id(),
            },
            logs: false,
        }
    }

    pub(crate) const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The same, of a call that is logged.
    pub(super) const fn logged(mut self) -> Self {
        self.logs = true;
        self
    }

    /// Whether somebody logs the call, and wants to know [about](super::About) it.
    pub(crate) const fn logs(&self) -> bool {
        self.logs
    }

    /// As the value of a header.
    pub(crate) fn header(&self) -> HeaderValue {
        // Always possible: it is visible ASCII.
        HeaderValue::from_str(&self.text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestId").field(&self.text).finish()
    }
}
