//! Streams of this interface for callers of this dialect: passed on as they come.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::Deserialize;

use super::{chunk::Chunk, error_in, wire};
use crate::{
    chat::{ChatEvent, FinishReason, Part},
    dialect::{codec::Decode, dispatch::Asked},
    error::{Class, Error},
    stream::Frame,
    usage::Tally,
};

/// What ends a stream.
pub(super) const DONE: &[u8] = b"[DONE]";

/// Passes frames on, and reads of each what accounting needs.
#[derive(Debug)]
pub(crate) struct Verbatim {
    tally: Tally,
    /// Whether the caller sees the chunk that has usage alone.
    usage: bool,
    ends: Ends,
    done: bool,
}

/// Which choices have said that they end.
#[derive(Debug)]
pub(super) struct Ends {
    choices: u32,
    finished: u128,
}

/// Reads a stream whose tally begins so.
pub(crate) fn verbatim(asked: &Asked, tally: Tally) -> Verbatim {
    Verbatim {
        tally,
        usage: asked.usage,
        ends: Ends::new(asked.choices),
        done: false,
    }
}

// ===== impl Ends =====

impl Ends {
    pub(super) const fn new(choices: u32) -> Self {
        Self {
            choices,
            finished: 0,
        }
    }

    pub(super) const fn add(&mut self, finished: u128) {
        self.finished |= finished;
    }

    /// Whether an end of the stream is the end of the answer, also where no `[DONE]` says so.
    pub(super) fn all(&self) -> bool {
        self.finished.count_ones() >= self.choices.min(128)
    }
}

// ===== impl Verbatim =====

impl Verbatim {
    /// An event of this frame.
    fn event(&self, frame: Frame, part: Part) -> ChatEvent {
        let (bytes, place) = match frame.place {
            Some(place) => (frame.bytes, place),
            None if frame.data.is_empty() => (frame.bytes, 0..0),
            // JSON over several lines of data: on one, so that it is one piece of the frame.
            None => framed(&frame.data),
        };
        ChatEvent::new(bytes, place, part).with_tally(&self.tally)
    }

    fn chunk(&mut self, frame: Frame) -> Result<Option<ChatEvent>, Error> {
        // A handle, so that the frame may go on while the chunk is looked at.
        let data = frame.data.clone();
        let chunk: Chunk<'_> = object(CHUNK, &data)?;
        if let Some(error) = chunk.failure(&frame) {
            return Err(error);
        }
        let usage = chunk.usage();
        let alone = chunk.usage.is_some();
        let choices = chunk.choices.unwrap_or_default();
        // A report counts for what its chunk says too.
        self.tally.said(choices.said);
        if let Some(usage) = usage {
            self.tally.report(&usage.taken());
        }
        // It is there because it was asked for on the caller's behalf.
        if alone && choices.count == 0 && !self.usage {
            return Ok(None);
        }
        self.ends.add(choices.finished);
        let finish = match choices.finish {
            Some(raw) => Some(reason(raw.get(), &frame)?),
            None => None,
        };
        let part = if choices.content {
            Part::Content
        } else {
            Part::Idle
        };
        let event = self.event(frame, part).with_finish(finish);
        Ok(Some(match part {
            Part::Content => event.with_units(units(choices.said)),
            _ => event,
        }))
    }
}

/// About four bytes a token, and what has content is one at least.
pub(super) fn units(said: u64) -> u32 {
    u32::try_from(said.div_ceil(4)).unwrap_or(u32::MAX).max(1)
}

/// Why a choice finished, which is JSON.
fn reason(raw: &str, frame: &Frame) -> Result<FinishReason, Error> {
    let name: std::borrow::Cow<'_, str> = serde_json::from_str(raw).unwrap_or_default();
    wire::finish(&name).ok_or_else(|| wire::failure(&name, &frame.data))
}

/// Reads an object. Lists would do for the parser, and what it says of an error might quote what was said.
pub(super) fn object<'a, T: Deserialize<'a>>(what: &str, data: &'a [u8]) -> Result<T, Error> {
    let bad = |why: String| Error::new(Class::Malformed, format!("{what} is {why}"));
    if data.trim_ascii_start().first() != Some(&b'{') {
        return Err(bad("no JSON object".to_owned()));
    }
    serde_json::from_slice(data).map_err(|error| {
        let kind = match error.classify() {
            serde_json::error::Category::Data => "of another form than it should be",
            _ => "no JSON",
        };
        let (line, column) = (error.line(), error.column());
        bad(format!("{kind}, at line {line}, column {column}"))
    })
}

/// What a frame of a stream is, in errors.
pub(super) const CHUNK: &str = "a chunk of the stream";

/// A frame of this data, on one line.
fn framed(data: &Bytes) -> (Bytes, std::ops::Range<usize>) {
    let mut frame = b"data: ".to_vec();
    frame.extend(data.iter().map(|byte| match byte {
        // Line breaks cannot be within a string of JSON.
        b'\n' | b'\r' => b' ',
        byte => *byte,
    }));
    let end = frame.len();
    frame.extend(b"\n\n");
    (frame.into(), 6..end)
}

impl Decode for Verbatim {
    fn frame(&mut self, frame: Frame, events: &mut VecDeque<ChatEvent>) -> Result<(), Error> {
        if self.done {
            return Ok(());
        }
        if &*frame.event == b"error" {
            return Err(error_in(&frame.data));
        }
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            events.push_back(self.event(frame, Part::Idle));
        } else if data == DONE {
            self.done = true;
            events.push_back(self.event(frame, Part::End));
        } else if let Some(event) = self.chunk(frame)? {
            events.push_back(event);
        }
        Ok(())
    }

    fn end(&mut self, events: &mut VecDeque<ChatEvent>) -> Result<(), Error> {
        if self.done {
            return Ok(());
        }
        if !self.ends.all() {
            return Err(interrupted());
        }
        self.done = true;
        let bytes = Bytes::from_static(b"data: [DONE]\n\n");
        let end = ChatEvent::new(bytes, 6..12, Part::End);
        events.push_back(end.with_tally(&self.tally));
        Ok(())
    }
}

pub(super) fn interrupted() -> Error {
    Error::new(
        Class::Interrupted,
        "the stream broke off: neither [DONE] nor a finish_reason of every choice",
    )
}

// ===== impl Chunk =====

impl Chunk<'_> {
    /// What the chunk reports of usage.
    pub(super) fn usage(&self) -> Option<wire::Usage> {
        #[derive(Deserialize)]
        struct Groq {
            usage: Option<wire::Usage>,
        }
        match self.usage {
            // What cannot be read is as if it were not there: the estimate stays.
            Some(usage) => serde_json::from_str(usage.get()).ok(),
            None => serde_json::from_str::<Groq>(self.x_groq?.get()).ok()?.usage,
        }
    }

    /// The error that the chunk is.
    pub(super) fn failure(&self, frame: &Frame) -> Option<Error> {
        let choice = self.choices.as_ref().and_then(|choices| choices.error);
        let failed = self.error.is_some()
            || choice.is_some()
            || self
                .object
                .is_some_and(|object| object.get() == "\"error\"");
        failed.then(|| error_in(&frame.data))
    }
}
