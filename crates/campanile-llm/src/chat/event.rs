use std::{fmt, ops::Range};

use bytes::Bytes;
use campanile::Usage;
use serde::{Deserialize, Serialize};

use crate::usage::Tally;

/// One event of a streamed answer: the bytes to pass on, in the dialect of the request, and what accounting needs to know of
/// them.
#[derive(Clone)]
pub struct ChatEvent {
    frame: Bytes,
    data: Range<u32>,
    part: Part,
    units: u32,
    finish: Option<FinishReason>,
    usage: Usage,
    reported: bool,
    bytes: u64,
}

/// What an event is, in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Part {
    /// Nothing that a reader would see: the role, a ping, a comment, usage.
    #[default]
    Idle,
    /// Text, reasoning, a refusal, or a call of a tool.
    Content,
    /// The proof that the stream is whole, and its last event.
    End,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// It had said what it had to say, or met a stop sequence.
    Stop,
    /// It had written as many tokens as it may.
    Length,
    /// It wants tools called.
    ToolCalls,
    /// What it said was filtered.
    ContentFilter,
    /// Something else.
    Other,
}

// ===== impl ChatEvent =====

impl ChatEvent {
    /// An event of these bytes, which are a whole frame. `data` is where in them its JSON lies; empty where it has none.
    #[must_use]
    pub fn new(frame: Bytes, data: Range<usize>, part: Part) -> Self {
        debug_assert!(data.end <= frame.len());
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            data: place(data.start)..place(data.end),
            frame,
            part,
            units: u32::from(part == Part::Content),
            finish: None,
            usage: Usage::default(),
            reported: false,
            bytes: 0,
        }
    }

    /// Sets how many tokens of work it is, about.
    #[must_use]
    pub const fn with_units(mut self, units: u32) -> Self {
        self.units = units;
        self
    }

    /// Sets why the model stopped.
    #[must_use]
    pub const fn with_finish(mut self, finish: Option<FinishReason>) -> Self {
        self.finish = finish;
        self
    }

    /// Sets what the call has taken so far, and whether that is what the provider reported.
    #[must_use]
    pub const fn with_usage(mut self, usage: Usage, reported: bool) -> Self {
        self.usage = usage;
        self.reported = reported;
        self
    }

    /// Sets what the call has taken so far, as the tally has it, and how long the answer is so far.
    #[must_use]
    pub fn with_tally(mut self, tally: &Tally) -> Self {
        self.usage = tally.usage();
        self.reported = tally.is_reported();
        self.bytes = tally.bytes();
        self
    }

    /// The bytes to pass on.
    #[must_use]
    pub const fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The same event with the same bytes, which lie elsewhere.
    #[cfg(feature = "cache")]
    pub(crate) fn with_frame(mut self, frame: Bytes) -> Self {
        debug_assert_eq!(self.frame, frame);
        self.frame = frame;
        self
    }

    /// The same event with other bytes, and its JSON in this place of them.
    pub(crate) fn with_data(self, frame: Bytes, data: Range<usize>) -> Self {
        let Self { frame, data, .. } = Self::new(frame, data, self.part);
        Self {
            frame,
            data,
            ..self
        }
    }

    /// Its JSON, in the dialect of the request; empty where it has none.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.frame
            .get(self.data.start as usize..self.data.end as usize)
            .unwrap_or_default()
    }

    /// What it is.
    #[must_use]
    pub const fn part(&self) -> Part {
        self.part
    }

    /// How many tokens of work it is, about.
    #[must_use]
    pub const fn units(&self) -> u32 {
        self.units
    }

    /// Why the model stopped, in the event that says so.
    #[must_use]
    pub const fn finish(&self) -> Option<FinishReason> {
        self.finish
    }

    /// What the call has taken so far: estimated, until the provider reports.
    #[must_use]
    pub const fn usage(&self) -> &Usage {
        &self.usage
    }

    /// What the call has taken so far, to add to it.
    pub const fn usage_mut(&mut self) -> &mut Usage {
        &mut self.usage
    }

    /// Whether the usage is what the provider reported.
    #[must_use]
    pub const fn is_reported(&self) -> bool {
        self.reported
    }

    /// How many bytes of text, reasoning and arguments of tool calls the answer has so far; 0 where nobody counts.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Nothing of what is said in it.
impl fmt::Debug for ChatEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatEvent")
            .field("part", &self.part)
            .field("frame", &format_args!("{} bytes", self.frame.len()))
            .field("units", &self.units)
            .field("finish", &self.finish)
            .field("usage", &self.usage)
            .field("reported", &self.reported)
            .finish_non_exhaustive()
    }
}
