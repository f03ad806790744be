//! What tells a call from others, in logs, errors and answers.

use std::{fmt, sync::Arc};

use campanile::trace;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header by which a caller names its call, and by which it is told.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The same as Anthropic's interface calls it.
pub(crate) const REQUEST_ID_OF_ANTHROPIC: HeaderName = HeaderName::from_static("request-id");

/// The name of a call: the caller's, if it is 1 to 128 visible ASCII characters, or else 128 random bits in hexadecimal.
///
/// As a header it may hold what was read of the request: it is not to be kept for longer than an answer's head takes.
#[derive(Clone)]
pub(crate) struct RequestId {
    text: Arc<str>,
    pub(super) header: HeaderValue,
    logs: bool,
}

// ===== impl RequestId =====

impl RequestId {
    /// The one that the caller gave, or else a new one; of a call that is logged, or is not.
    pub(crate) fn of(headers: &HeaderMap, logs: bool) -> Self {
        let given = headers.get(REQUEST_ID).and_then(|header| {
            let text = header.to_str().ok().filter(|text| trace::is_id(text))?;
            Some((text.into(), header.clone()))
        });
        let (text, header) = given.unwrap_or_else(|| {
            let text = trace::new_id();
            // Always possible: it is visible ASCII.
            let header = HeaderValue::from_str(&text);
            (
                text,
                header.unwrap_or_else(|_| HeaderValue::from_static("")),
            )
        });
        Self { text, header, logs }
    }

    pub(crate) const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Whether somebody logs the call, and wants to know [about](super::About) it.
    pub(crate) const fn logs(&self) -> bool {
        self.logs
    }

    /// As the value of a header.
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestId").field(&self.text).finish()
    }
}
