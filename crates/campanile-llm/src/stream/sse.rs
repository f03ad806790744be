use std::{fmt, ops::Range};

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

use super::{
    Frame,
    frame::{DEFAULT_CAP, above, whole},
};
use crate::error::Error;

#[cfg(test)]
mod tests;

/// Cuts server-sent events out of the chunks of a body, as the [HTML standard][html] has it (section 9.2.6): lines end in LF,
/// CR or CRLF, an event ends in an empty line, and a byte order mark at the very start is no part of it.
///
/// A frame is an event, or a comment, with its empty line. One that lies in one chunk is a part of that chunk, and nothing is
/// copied; one that comes in several is gathered in one buffer. Each byte is looked at once for where the frame ends, and once
/// for its fields, whatever the chunks. Empty lines between frames are dropped.
///
/// After an error there are no more frames.
///
/// ```
/// use campanile_llm::stream::SseFrames;
///
/// let mut frames = SseFrames::default();
/// frames.push("data: {\"a\"".into());
/// assert!(frames.next()?.is_none());
/// frames.push(":1}\n\ndata: [DO".into());
/// assert_eq!(frames.next()?.unwrap().data(), "{\"a\":1}");
/// assert!(frames.next()?.is_none());
/// # Ok::<_, campanile_llm::Error>(())
/// ```
///
/// [html]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
pub struct SseFrames {
    cap: usize,
    /// How much of a byte order mark has been seen at the start.
    marked: usize,
    place: Place,
    /// What earlier chunks hold of the frame under way.
    tail: BytesMut,
    /// The rest of the last chunk.
    chunk: Bytes,
    /// How much of the chunk has been looked at.
    seen: usize,
}

/// Where in a frame the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before it.
    Before,
    /// Within a line that is not empty.
    Line,
    /// After a CR that ends such a line: an LF would belong to it.
    Return,
    /// At the start of a line; whether the line before ended in CRLF.
    Start { crlf: bool },
    /// After the CR of an empty line, where the line before ended in CRLF, so that an LF is sure to come: it is waited for, so
    /// that frames are the same however they are cut into chunks. After other lines a CR ends the frame at once.
    EmptyReturn,
    /// The stream has failed.
    Failed,
}

const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

// ===== impl SseFrames =====

impl SseFrames {
    /// Frames of at most so many bytes, each with its empty line.
    #[must_use]
    pub fn new(cap: usize) -> Self {
        Self {
            cap,
            marked: 0,
            place: Place::Before,
            tail: BytesMut::new(),
            chunk: Bytes::new(),
            seen: 0,
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

    /// The next frame that is whole; none until more comes.
    ///
    /// # Errors
    ///
    /// [`Class::Malformed`](crate::error::Class::Malformed) when a frame is above the cap.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Frame>, Error> {
        if self.place == Place::Failed {
            return Ok(None);
        }
        if self.marked < MARK.len() {
            self.skip_mark();
        }
        let ended = self.scan();
        if self.tail.len() + self.seen > self.cap {
            self.place = Place::Failed;
            self.tail = BytesMut::new();
            self.chunk = Bytes::new();
            return Err(above(self.cap, "an event"));
        }
        if !ended {
            self.tail.extend_from_slice(&self.chunk);
            self.chunk = Bytes::new();
            self.seen = 0;
            return Ok(None);
        }
        let bytes = self.chunk.split_to(self.seen);
        self.seen = 0;
        Ok(Some(read(self.gather(bytes))))
    }

    /// What is left when the body has ended: call it until there is nothing. An event whose last lines never came counts if its
    /// data is whole, which is `[DONE]` or JSON; its bytes are then made a whole frame. Otherwise it was cut off, and is
    /// nothing.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub fn end(&mut self) -> Result<Option<Frame>, Error> {
        if let Some(frame) = self.next()? {
            return Ok(Some(frame));
        }
        let missing: &[u8] = match self.place {
            Place::Before | Place::Failed => return Ok(None),
            Place::Line | Place::Return => b"\n\n",
            Place::Start { .. } => b"\n",
            Place::EmptyReturn => b"",
        };
        let frame = read(self.gather(Bytes::from_static(missing)));
        Ok(Some(frame).filter(|frame| missing.is_empty() || whole(&frame.data)))
    }

    fn skip_mark(&mut self) {
        while self.marked < MARK.len() && !self.chunk.is_empty() {
            if self.chunk[0] == MARK[self.marked] {
                self.chunk.advance(1);
                self.marked += 1;
            } else {
                if self.marked > 0 {
                    self.tail.extend_from_slice(&MARK[..self.marked]);
                    self.place = Place::Line;
                }
                self.marked = MARK.len();
            }
        }
    }

    /// Looks for the end of the frame; whether it is there.
    fn scan(&mut self) -> bool {
        while let Some(&byte) = self.chunk.get(self.seen) {
            self.seen += 1;
            self.place = match (self.place, byte) {
                (Place::Before, b'\r' | b'\n') => {
                    self.chunk.advance(1);
                    self.seen = 0;
                    continue;
                }
                (Place::Return, b'\n') => Place::Start { crlf: true },
                (Place::Start { crlf: true }, b'\r') => Place::EmptyReturn,
                (Place::Start { .. }, b'\r' | b'\n')
                | (Place::Return, b'\r')
                | (Place::EmptyReturn, b'\n') => return true,
                (Place::EmptyReturn, _) => {
                    self.seen -= 1;
                    return true;
                }
                _ => {
                    let rest = &self.chunk[self.seen - 1..];
                    match memchr2(b'\r', b'\n', rest) {
                        None => {
                            self.seen = self.chunk.len();
                            Place::Line
                        }
                        Some(at) => {
                            self.seen += at;
                            match rest[at] {
                                b'\r' => Place::Return,
                                _ => Place::Start { crlf: false },
                            }
                        }
                    }
                }
            };
        }
        false
    }

    /// The bytes of the frame, the last of which are these.
    fn gather(&mut self, last: Bytes) -> Bytes {
        self.place = Place::Before;
        if self.tail.is_empty() {
            return last;
        }
        self.tail.extend_from_slice(&last);
        std::mem::take(&mut self.tail).freeze()
    }
}

/// Nothing of what is said in them.
impl fmt::Debug for SseFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseFrames")
            .field("cap", &self.cap)
            .field("held", &(self.tail.len() + self.chunk.len()))
            .finish_non_exhaustive()
    }
}

/// Frames of at most 1 MiB.
impl Default for SseFrames {
    fn default() -> Self {
        Self::new(DEFAULT_CAP)
    }
}

/// Reads the fields of an event.
fn read(bytes: Bytes) -> Frame {
    let mut place: Option<Range<usize>> = None;
    let mut joined: Option<Vec<u8>> = None;
    let mut event = Bytes::new();
    let mut start = 0;
    // A CRLF leaves an empty line between its two bytes, in which there is no field.
    while let Some(length) = memchr2(b'\r', b'\n', &bytes[start..]) {
        let line = &bytes[start..start + length];
        let end = start + length;
        let value = |name: &[u8]| {
            let rest = line.strip_prefix(name)?;
            let value = match rest {
                [] => rest,
                [b':', b' ', value @ ..] | [b':', value @ ..] => value,
                _ => return None,
            };
            Some(end - value.len()..end)
        };
        if let Some(value) = value(b"data") {
            match (&mut joined, place.take()) {
                (Some(joined), _) => {
                    joined.push(b'\n');
                    joined.extend_from_slice(&bytes[value]);
                }
                (None, Some(first)) => {
                    let mut lines = bytes[first].to_vec();
                    lines.push(b'\n');
                    lines.extend_from_slice(&bytes[value]);
                    joined = Some(lines);
                }
                (None, None) => place = Some(value),
            }
        } else if let Some(value) = value(b"event") {
            event = bytes.slice(value);
        }
        start = end + 1;
    }
    let data = match (joined, &place) {
        (Some(joined), _) => joined.into(),
        (None, Some(place)) => bytes.slice(place.clone()),
        (None, None) => Bytes::new(),
    };
    Frame {
        bytes,
        data,
        place,
        event,
    }
}
