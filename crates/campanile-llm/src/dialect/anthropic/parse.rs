//! A stream of the interface, as what all dialects have in common.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    error,
    read::{self, BlockDelta, BlockStart, BlockStop, MessageDelta, MessageStart},
    wire::{self, Counts, Event},
};
use crate::{
    dialect::{codec::Parse, neutral::Delta},
    error::{Class, Error},
    stream::Frame,
};

/// Reads the events of a message. `message_stop` is the proof of its end, and what comes after it is not looked at.
///
/// Text, thinking with its signature, and calls of tools pass. Redacted thinking, citations, tools that the provider runs
/// itself, pings, and whatever is not known here do not.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// How many events there were, to say where an error is.
    seen: u64,
    stage: Stage,
    counts: Counts,
    /// Blocks that have begun and not ended: one, but for servers that let them overlap.
    open: Vec<Block>,
    /// The least index that the next block may have.
    next: u64,
    /// How many tools have been called.
    calls: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Before,
    Within,
    Ended,
}

#[derive(Debug)]
struct Block {
    index: u64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Tool {
        call: u32,
        /// Whether any of its arguments have come.
        begun: bool,
    },
    /// Nothing that passes.
    Other,
}

/// More overlap than this is no stream of this interface.
const MOST_OPEN: usize = 64;

// ===== impl Parser =====

impl Parser {
    fn message_start(&mut self, data: &[u8], deltas: &mut Vec<Delta>) -> Result<(), Error> {
        const EVENT: &str = "message_start";
        let MessageStart { message } = self.read(EVENT, data)?;
        match self.stage {
            Stage::Before => self.stage = Stage::Within,
            // One that is told twice does no harm; another after content is the answer of another call.
            Stage::Within if self.next == 0 && self.calls == 0 => return Ok(()),
            _ => return Err(self.malformed(EVENT, "the message has started before")),
        }
        deltas.push(Delta::Start {
            id: message.id,
            model: message.model,
        });
        let usage = self.counts.begin(&message.usage.unwrap_or_default());
        if usage.input_tokens.is_some() {
            deltas.push(Delta::Usage(usage));
        }
        // A message that goes on after a pause begins with content, and may have nothing else.
        for block in message.content.into_iter().flatten() {
            let kind = self.begin(EVENT, block, deltas)?;
            finish_call(kind, deltas);
        }
        if let Some(reason) = message.stop_reason {
            deltas.push(Delta::Finish(wire::finish(&reason)));
        }
        Ok(())
    }

    fn block_start(&mut self, data: &[u8], deltas: &mut Vec<Delta>) -> Result<(), Error> {
        const EVENT: &str = "content_block_start";
        let BlockStart {
            index,
            content_block,
        } = self.read(EVENT, data)?;
        self.within(EVENT)?;
        if index < self.next {
            let what = format_args!("block {index} has started before");
            return Err(self.malformed(EVENT, what));
        }
        if self.open.len() == MOST_OPEN {
            return Err(self.malformed(EVENT, format_args!("{MOST_OPEN} blocks are open")));
        }
        self.next = index.saturating_add(1);
        let kind = self.begin(EVENT, content_block, deltas)?;
        self.open.push(Block { index, kind });
        Ok(())
    }

    /// What a block has when it begins.
    fn begin(
        &mut self,
        event: &str,
        block: read::Block<'_>,
        deltas: &mut Vec<Delta>,
    ) -> Result<Kind, Error> {
        match &block.kind[..] {
            "text" => {
                push(deltas, Delta::Text, block.text.unwrap_or_default());
                Ok(Kind::Text)
            }
            "thinking" => {
                push(deltas, Delta::Reasoning, block.thinking.unwrap_or_default());
                push(
                    deltas,
                    Delta::Signature,
                    block.signature.unwrap_or_default(),
                );
                Ok(Kind::Thinking)
            }
            "tool_use" => {
                let (Some(id), Some(name)) = (block.id, block.name) else {
                    return Err(self.malformed(event, "a tool_use has an id and a name"));
                };
                let index = self.calls;
                self.calls += 1;
                deltas.push(Delta::ToolCall { index, id, name });
                // Some have all arguments here.
                let input = block.input.map(RawValue::get);
                let input = input.filter(|input| !is_nothing(input));
                if let Some(json) = input {
                    let json = json.to_owned();
                    deltas.push(Delta::ToolArguments { index, json });
                }
                Ok(Kind::Tool {
                    call: index,
                    begun: input.is_some(),
                })
            }
            _ => Ok(Kind::Other),
        }
    }

    fn block_delta(&mut self, data: &[u8], deltas: &mut Vec<Delta>) -> Result<(), Error> {
        const EVENT: &str = "content_block_delta";
        let BlockDelta { index, delta } = self.read(EVENT, data)?;
        self.within(EVENT)?;
        let Some(block) = self.open.iter_mut().find(|block| block.index == index) else {
            return Err(self.malformed(EVENT, format_args!("block {index} is not open")));
        };
        let more = match (&mut block.kind, &delta.kind[..]) {
            (Kind::Other, _) => Some(()),
            (Kind::Text, "text_delta") => delta.text.map(|text| push(deltas, Delta::Text, text)),
            (Kind::Thinking, "thinking_delta") => delta
                .thinking
                .map(|text| push(deltas, Delta::Reasoning, text)),
            (Kind::Thinking, "signature_delta") => delta
                .signature
                .map(|text| push(deltas, Delta::Signature, text)),
            (Kind::Tool { call, begun }, "input_json_delta") => delta.partial_json.map(|json| {
                *begun |= !json.is_empty();
                let index = *call;
                push(deltas, |json| Delta::ToolArguments { index, json }, json);
            }),
            (
                kind,
                known @ ("text_delta" | "thinking_delta" | "signature_delta" | "input_json_delta"),
            ) => {
                let what = format!("a {known} in block {index}, which is {}", kind.name());
                return Err(self.malformed(EVENT, what));
            }
            _ => Some(()),
        };
        more.ok_or_else(|| {
            let what = format_args!("a {} without what it adds", delta.kind);
            self.malformed(EVENT, what)
        })
    }

    fn block_stop(&mut self, data: &[u8], deltas: &mut Vec<Delta>) -> Result<(), Error> {
        const EVENT: &str = "content_block_stop";
        let BlockStop { index } = self.read(EVENT, data)?;
        self.within(EVENT)?;
        let Some(place) = self.open.iter().position(|block| block.index == index) else {
            return Err(self.malformed(EVENT, format_args!("block {index} is not open")));
        };
        finish_call(self.open.remove(place).kind, deltas);
        Ok(())
    }

    fn message_delta(&mut self, data: &[u8], deltas: &mut Vec<Delta>) -> Result<(), Error> {
        let MessageDelta { delta, usage } = self.read("message_delta", data)?;
        self.within("message_delta")?;
        if let Some(reason) = delta.stop_reason {
            deltas.push(Delta::Finish(wire::finish(&reason)));
        }
        if let Some(counts) = usage {
            deltas.push(Delta::Usage(self.counts.update(&counts)));
        }
        Ok(())
    }

    fn within(&self, event: &str) -> Result<(), Error> {
        match self.stage {
            Stage::Within => Ok(()),
            _ => Err(self.malformed(event, "before message_start")),
        }
    }

    fn read<'a, T: Deserialize<'a>>(&self, event: &str, data: &'a [u8]) -> Result<T, Error> {
        serde_json::from_slice(data).map_err(|error| self.malformed(event, error))
    }

    fn malformed(&self, event: &str, what: impl fmt::Display) -> Error {
        malformed(self.seen, event, what)
    }
}

impl Parse for Parser {
    fn frame(&mut self, frame: &Frame, deltas: &mut Vec<Delta>) -> Result<(), Error> {
        let data = frame.data();
        if self.stage == Stage::Ended || data.is_empty() {
            return Ok(());
        }
        self.seen += 1;
        let event = Event::of(frame).map_err(|error| self.malformed("data", error))?;
        match event {
            Event::MessageStart => self.message_start(data, deltas),
            Event::BlockStart => self.block_start(data, deltas),
            Event::BlockDelta => self.block_delta(data, deltas),
            Event::BlockStop => self.block_stop(data, deltas),
            Event::MessageDelta => self.message_delta(data, deltas),
            Event::MessageStop => {
                self.within("message_stop")?;
                self.stage = Stage::Ended;
                deltas.push(Delta::End);
                Ok(())
            }
            Event::Error => Err(error::of_event(data)),
            Event::Other => Ok(()),
        }
    }

    fn end(&mut self, _: &mut Vec<Delta>) -> Result<(), Error> {
        match self.stage {
            Stage::Ended => Ok(()),
            _ => Err(interrupted()),
        }
    }
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Thinking => "thinking",
            Self::Tool { .. } => "tool_use",
            Self::Other => "of another type",
        }
    }
}

/// A tool that takes nothing is called with nothing here, and with an empty object elsewhere.
fn finish_call(kind: Kind, deltas: &mut Vec<Delta>) {
    if let Kind::Tool { call, begun: false } = kind {
        deltas.push(Delta::ToolArguments {
            index: call,
            json: "{}".to_owned(),
        });
    }
}

fn push(deltas: &mut Vec<Delta>, delta: impl FnOnce(String) -> Delta, text: String) {
    if !text.is_empty() {
        deltas.push(delta(text));
    }
}

/// Whether it is what the arguments of a tool are before any have come.
fn is_nothing(json: &str) -> bool {
    let object = json
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    object.is_some_and(|within| within.trim_ascii().is_empty()) || json == "\"\""
}

/// What is wrong, and in which event of the stream.
pub(super) fn malformed(seen: u64, event: &str, what: impl fmt::Display) -> Error {
    Error::new(
        Class::Malformed,
        format!("event {seen} of the stream, {event}: {what}"),
    )
}

pub(super) fn interrupted() -> Error {
    Error::new(
        Class::Interrupted,
        "the stream ended before its message_stop",
    )
}
