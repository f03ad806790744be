use std::fmt;

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use super::{
    Frame,
    frame::{DEFAULT_CAP, above, whole},
};
use crate::error::Error;

#[cfg(test)]
mod tests;

/// Cuts the lines of newline-delimited JSON out of the chunks of a body. Lines end in LF or CRLF; those with nothing but spaces
/// are dropped.
///
/// A line that lies in one chunk is a part of that chunk, and nothing is copied; one that comes in several is gathered in one
/// buffer. Each byte is looked at once. After an error there are no more frames.
///
/// ```
/// use campanile_llm::stream::NdjsonFrames;
///
/// let mut frames = NdjsonFrames::default();
/// frames.push("{\"a\":1}\n{\"done\":".into());
/// assert_eq!(frames.next()?.unwrap().data(), "{\"a\":1}");
/// assert!(frames.next()?.is_none());
/// frames.push("true}".into());
/// assert!(frames.next()?.is_none(), "it might go on");
/// assert_eq!(frames.end()?.unwrap().data(), "{\"done\":true}");
/// # Ok::<_, campanile_llm::Error>(())
/// ```
pub struct NdjsonFrames {
    cap: usize,
    failed: bool,
    /// What earlier chunks hold of the line under way.
    tail: BytesMut,
    /// The rest of the last chunk.
    chunk: Bytes,
}

// ===== impl NdjsonFrames =====

impl NdjsonFrames {
    /// Lines of at most so many bytes, each with its end.
    #[must_use]
    pub fn new(cap: usize) -> Self {
        Self {
            cap,
            failed: false,
            tail: BytesMut::new(),
            chunk: Bytes::new(),
        }
    }

    /// Adds a chunk of the body. Take all frames before the next one: what is left of this would be copied.
    pub fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            self.chunk = [&self.chunk[..], &chunk].concat().into();
        }
    }

    /// The next line that is whole; none until more comes.
    ///
    /// # Errors
    ///
    /// [`Class::Malformed`](crate::error::Class::Malformed) when a line is above the cap.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Frame>, Error> {
        while !self.failed && !self.chunk.is_empty() {
            let end = memchr(b'\n', &self.chunk);
            let length = end.map_or(self.chunk.len(), |end| end + 1);
            if self.tail.len() + length > self.cap {
                self.failed = true;
                self.tail = BytesMut::new();
                self.chunk = Bytes::new();
                return Err(above(self.cap, "a line"));
            }
            let part = self.chunk.split_to(length);
            if end.is_none() {
                self.tail.extend_from_slice(&part);
                break;
            }
            let frame = read(self.gather(part));
            if !frame.data.is_empty() {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// What is left when the body has ended: call it until there is nothing. A last line without an end counts if it is whole
    /// JSON; its bytes are then made a whole line. Otherwise it was cut off, and is nothing.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub fn end(&mut self) -> Result<Option<Frame>, Error> {
        if let Some(frame) = self.next()? {
            return Ok(Some(frame));
        }
        if self.tail.is_empty() {
            return Ok(None);
        }
        let frame = read(self.gather(Bytes::from_static(b"\n")));
        Ok(Some(frame).filter(|frame| whole(&frame.data)))
    }

    /// The bytes of the line, the last of which are these.
    fn gather(&mut self, last: Bytes) -> Bytes {
        if self.tail.is_empty() {
            return last;
        }
        self.tail.extend_from_slice(&last);
        std::mem::take(&mut self.tail).freeze()
    }
}

/// Nothing of what is said in them.
impl fmt::Debug for NdjsonFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NdjsonFrames")
            .field("cap", &self.cap)
            .field("held", &(self.tail.len() + self.chunk.len()))
            .finish_non_exhaustive()
    }
}

/// Lines of at most 1 MiB.
impl Default for NdjsonFrames {
    fn default() -> Self {
        Self::new(DEFAULT_CAP)
    }
}

fn read(bytes: Bytes) -> Frame {
    let start = bytes.len() - bytes.trim_ascii_start().len();
    let place = start..start + bytes.trim_ascii().len();
    Frame {
        data: bytes.slice(place.clone()),
        place: Some(place),
        event: Bytes::new(),
        bytes,
    }
}
