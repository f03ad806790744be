use std::{fmt, ops::Range};

use bytes::Bytes;

use crate::error::{Class, Error};

/// How long a frame may be, where nothing else is said: 1 MiB.
pub(super) const DEFAULT_CAP: usize = 1 << 20;

/// One frame of a stream: an event of server-sent events, or a line of NDJSON.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The frame as it came, with what ends it.
    pub(crate) bytes: Bytes,
    /// Its data. A part of the bytes; where an event has several lines of data, these joined.
    pub(crate) data: Bytes,
    /// Where in the bytes the data lies, if they are one part of them.
    pub(crate) place: Option<Range<usize>>,
    /// The name of the event; empty where it has none.
    pub(crate) event: Bytes,
}

// ===== impl Frame =====

impl Frame {
    /// The frame as it came, with what ends it.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its data; empty where it has none, as a comment.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// The name of the event; empty where it has none.
    #[must_use]
    pub const fn event(&self) -> &Bytes {
        &self.event
    }
}

/// Nothing of what is said in it.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("bytes", &self.bytes.len())
            .field("data", &self.data.len())
            .finish_non_exhaustive()
    }
}

/// The error of a frame above the cap.
pub(super) fn above(cap: usize, what: &str) -> Error {
    Error::new(
        Class::Malformed,
        format!("{what} of the stream is above the cap of {cap} bytes"),
    )
}

/// Whether the data of a frame that was never ended is whole nevertheless. A beginning of JSON is no JSON, if it is an object
/// or a list.
pub(super) fn whole(data: &[u8]) -> bool {
    data == b"[DONE]"
        || (matches!(data, [b'{' | b'[', ..])
            && serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok())
}
