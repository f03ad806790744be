use std::sync::Arc;

/// Finds the correlation id that a request brings beside its context, and passes it on.
///
/// [`ContextIds`] is for requests that bring none, and [`HttpIds`](super::HttpIds) reads headers.
pub trait Correlate<Req> {
    /// The id that came with the request. It goes into logs, so it is to be short and printable: see [`is_id`].
    fn find(&self, request: &Req) -> Option<Arc<str>> {
        let _ = request;
        None
    }

    /// Whether ids are passed on: every call needs one then, also where no span is on.
    fn passes_on(&self) -> bool {
        false
    }

    /// Tells whoever the request goes to.
    fn pass_on(&self, request: &mut Req, id: &str) {
        let _ = (request, id);
    }
}

/// Ids are in contexts, and nowhere else.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContextIds;

/// The longest id that is taken from outside, in bytes.
pub(super) const LONGEST: usize = 128;

/// Whether a text from outside may serve as an id: 1 to 128 visible ASCII characters, so that it breaks no line.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The trace id in a `traceparent` header, as [W3C Trace Context](https://www.w3.org/TR/trace-context/) has it: version,
/// trace id, parent id and flags, in lower-case hexadecimal and joined by hyphens. A later version may have more.
#[must_use]
pub fn trace_id(traceparent: &str) -> Option<&str> {
    let hex = |text: &str, len: usize| {
        text.len() == len
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = traceparent.splitn(5, '-');
    let (version, id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let more = parts.next().is_some();
    let sound = hex(version, 2)
        && version != "ff"
        && !(version == "00" && more)
        && hex(id, 32)
        && hex(parent, 16)
        && hex(flags, 2)
        && [id, parent]
            .iter()
            .all(|id| id.bytes().any(|byte| byte != b'0'));
    sound.then_some(id)
}

/// A new id: 128 random bits, in hexadecimal, which also is a trace id. Made without a lock.
#[must_use]
pub fn new_id() -> Arc<str> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bits = fastrand::u128(1..);
    let text: [u8; 32] = std::array::from_fn(|_| {
        let digit = DIGITS[(bits >> 124) as usize];
        bits <<= 4;
        digit
    });
    Arc::from(str::from_utf8(&text).unwrap_or_default())
}

// ===== impl ContextIds =====

impl<Req> Correlate<Req> for ContextIds {}
