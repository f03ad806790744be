//! A stream that is passed on as it came.

use std::{borrow::Cow, collections::VecDeque};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    error,
    parse::{interrupted, malformed},
    read::{MessageDelta, MessageStart},
    scan,
    wire::{self, Counts, Event},
};
use crate::{
    chat::{ChatEvent, FinishReason, Part},
    dialect::codec::Decode,
    error::Error,
    stream::Frame,
    usage::Tally,
};

/// Passes frames on as they came, and looks them through. Only what counts tokens or tells of errors is parsed: two events of
/// a message. Of the others the name is read, and the length of what they add.
#[derive(Debug)]
pub(crate) struct Verbatim {
    tally: Tally,
    counts: Counts,
    /// How many events there were, to say where an error is.
    seen: u64,
    started: bool,
    /// Whether there has been a block.
    begun: bool,
    ended: bool,
}

// ===== impl Verbatim =====

impl Verbatim {
    pub(super) fn new(tally: Tally) -> Self {
        Self {
            tally,
            counts: Counts::default(),
            seen: 0,
            started: false,
            begun: false,
            ended: false,
        }
    }

    fn look(&mut self, event: Event, data: &[u8]) -> Result<(Part, Option<FinishReason>), Error> {
        if event == Event::Error {
            return Err(error::of_event(data));
        }
        let read = |event, error| malformed(self.seen, event, error);
        if !self.started && !matches!(event, Event::MessageStart | Event::Other) {
            return Err(read("data", "before message_start".to_owned()));
        }
        // What is passed on unparsed is at least an object from its first to its last byte.
        if !matches!(data.trim_ascii(), [b'{', .., b'}']) {
            return Err(read("data", "not a JSON object".to_owned()));
        }
        let mut finish = None;
        let part = match event {
            Event::MessageStart if self.begun => {
                let what = "the message has started before".to_owned();
                return Err(read("message_start", what));
            }
            // One that is told twice does no harm.
            Event::MessageStart if self.started => Part::Idle,
            Event::MessageStart => {
                let MessageStart { message } = serde_json::from_slice(data)
                    .map_err(|error| read("message_start", error.to_string()))?;
                self.started = true;
                let counts = message.usage.unwrap_or_default();
                self.tally.report(&self.counts.begin(&counts));
                finish = message.stop_reason.as_deref().map(wire::finish);
                // A message that goes on after a pause begins with content, and may have nothing else.
                match message.content.as_deref() {
                    None | Some([]) => Part::Idle,
                    Some(_) => {
                        self.begun = true;
                        Part::Content
                    }
                }
            }
            Event::BlockStart => {
                self.begun = true;
                if scan::has(data, b"\"tool_use\"") {
                    let name = scan::text_length(data, b"\"name\"");
                    self.tally.said(name.unwrap_or(0));
                    return Ok((Part::Content, None));
                }
                match begins_with(data) {
                    0 => Part::Idle,
                    bytes => {
                        self.tally.said(bytes);
                        Part::Content
                    }
                }
            }
            Event::BlockDelta => match added(data) {
                0 => Part::Idle,
                bytes => {
                    self.tally.said(bytes);
                    Part::Content
                }
            },
            Event::MessageDelta => {
                let more: MessageDelta = serde_json::from_slice(data)
                    .map_err(|error| read("message_delta", error.to_string()))?;
                finish = more.delta.stop_reason.as_deref().map(wire::finish);
                if let Some(counts) = more.usage {
                    self.tally.report(&self.counts.update(&counts));
                }
                Part::Idle
            }
            Event::MessageStop => {
                self.ended = true;
                Part::End
            }
            _ => Part::Idle,
        };
        Ok((part, finish))
    }
}

impl Decode for Verbatim {
    fn frame(&mut self, frame: Frame, events: &mut VecDeque<ChatEvent>) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        let (part, finish) = if frame.data().is_empty() {
            (Part::Idle, None)
        } else {
            self.seen += 1;
            let event = Event::of(&frame).map_err(|error| malformed(self.seen, "data", error))?;
            self.look(event, frame.data())?
        };
        let place = frame.place.unwrap_or(0..0);
        events.push_back(
            ChatEvent::new(frame.bytes, place, part)
                .with_finish(finish)
                .with_tally(&self.tally),
        );
        Ok(())
    }

    fn end(&mut self, _: &mut VecDeque<ChatEvent>) -> Result<(), Error> {
        if self.ended {
            Ok(())
        } else {
            Err(interrupted())
        }
    }
}

/// How many bytes of text or thinking a block has as it begins. Most servers leave all of it to the deltas.
fn begins_with(data: &[u8]) -> u64 {
    #[derive(Deserialize)]
    struct Start<'a> {
        #[serde(borrow)]
        content_block: Block<'a>,
    }
    #[derive(Deserialize)]
    struct Block<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
        #[serde(borrow, default)]
        text: Option<&'a RawValue>,
        #[serde(borrow, default)]
        thinking: Option<&'a RawValue>,
    }
    // What is no start of a block is passed on as it is.
    let Ok(Start { content_block }) = serde_json::from_slice(data) else {
        return 0;
    };
    let said = match &content_block.kind[..] {
        "text" => content_block.text,
        "thinking" => content_block.thinking,
        // The result of a tool that the provider ran may have a text too, which nobody wrote here.
        _ => None,
    };
    said.and_then(|json| scan::json_length(json.get().as_bytes()))
        .unwrap_or(0)
}

/// How many bytes of text, thinking or arguments a delta adds.
fn added(data: &[u8]) -> u64 {
    const ADDS: [(&[u8], &[u8]); 3] = [
        (b"\"text_delta\"", b"\"text\""),
        (b"\"input_json_delta\"", b"\"partial_json\""),
        (b"\"thinking_delta\"", b"\"thinking\""),
    ];
    ADDS.iter()
        .find(|(kind, _)| scan::has(data, kind))
        .and_then(|(_, name)| scan::text_length(data, name))
        .unwrap_or(0)
}
