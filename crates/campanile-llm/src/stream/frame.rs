use std::ops::Range;

use bytes::Bytes;

/// One frame of a stream: an event of server-sent events, or a line of NDJSON.
#[derive(Debug, Clone, PartialEq, Eq)]
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
