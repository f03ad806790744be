//! What all dialects have in common, as a stream of this one.

use std::collections::VecDeque;

use super::{
    json_state::JsonState,
    whole,
    wire::{Told, finish, stop_reason},
    write::{Block, Event, Message, More, Stop, frame},
};
use crate::{
    chat::{ChatEvent, FinishReason, Part},
    dialect::{Asked, codec::Render, neutral::Delta},
    usage::Tally,
};

/// Writes the events of a message: blocks numbered in their order, each begun and ended once, one after the other. Only the
/// calls of tools whose arguments come mixed overlap: such a block ends when its arguments are whole and another begins, or
/// with the message.
///
/// What a refusal says is text here; the reason to stop then is `refusal`. That reason, and the final counts, are told with
/// the end: a stream that breaks off before it has none.
#[derive(Debug)]
pub(crate) struct Renderer {
    asked: Asked,
    started: bool,
    /// The block that text or thinking is added to.
    open: Option<Open>,
    /// Blocks of calls that have not ended, in their order.
    calls: Vec<Call>,
    /// The index of the next block.
    next: u32,
    finish: Option<FinishReason>,
    called: bool,
    refused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text(u32),
    Thinking(u32),
}

#[derive(Debug)]
struct Call {
    call: u32,
    block: u32,
    arguments: JsonState,
}

/// Of more calls whose arguments come mixed the first ends.
const MOST_OPEN: usize = 32;

/// What is written to, and how far the tally is.
struct Out<'a> {
    tally: &'a Tally,
    events: &'a mut VecDeque<ChatEvent>,
}

// ===== impl Renderer =====

impl Renderer {
    pub(super) const fn new(asked: Asked) -> Self {
        Self {
            asked,
            started: false,
            open: None,
            calls: Vec::new(),
            next: 0,
            finish: None,
            called: false,
            refused: false,
        }
    }

    fn start(&mut self, id: &str, model: &str, out: &mut Out<'_>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let message = Message {
            id: &whole::id(id),
            kind: "message",
            role: "assistant",
            model: if model.is_empty() {
                &self.asked.model
            } else {
                model
            },
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage: Told::begin(&out.tally.usage()),
        };
        out.write(&Event::MessageStart { message }, Part::Idle);
    }

    fn text(&mut self, text: &str, out: &mut Out<'_>) {
        if text.is_empty() {
            return;
        }
        let index = match self.open {
            Some(Open::Text(index)) => index,
            _ => {
                let index = self.begin(Block::Text { text: "" }, out);
                self.open = Some(Open::Text(index));
                index
            }
        };
        let delta = More::Text { text };
        out.write(&Event::ContentBlockDelta { index, delta }, Part::Content);
    }

    fn thinking(&mut self, out: &mut Out<'_>) -> u32 {
        if let Some(Open::Thinking(index)) = self.open {
            return index;
        }
        let block = Block::Thinking {
            thinking: "",
            signature: "",
        };
        let index = self.begin(block, out);
        self.open = Some(Open::Thinking(index));
        index
    }

    fn call(&mut self, call: u32, id: &str, name: &str, out: &mut Out<'_>) {
        let block = Block::ToolUse {
            id,
            name,
            input: None,
        };
        let block = self.begin(block, out);
        self.called = true;
        if self.calls.len() == MOST_OPEN {
            let index = self.calls.remove(0).block;
            out.write(&Event::ContentBlockStop { index }, Part::Idle);
        }
        self.calls.push(Call {
            call,
            block,
            arguments: JsonState::default(),
        });
    }

    fn arguments(&mut self, call: u32, json: &str, out: &mut Out<'_>) {
        // Of a call whose block has ended nothing can come but space after JSON that was whole.
        let open = self.calls.iter_mut().find(|open| open.call == call);
        let Some(open) = open.filter(|_| !json.is_empty()) else {
            return;
        };
        open.arguments.add(json.as_bytes());
        let index = open.block;
        let delta = More::Json { partial_json: json };
        out.write(&Event::ContentBlockDelta { index, delta }, Part::Content);
    }

    /// Begins a block, and ends what is whole before it.
    fn begin(&mut self, content_block: Block<'_>, out: &mut Out<'_>) -> u32 {
        self.stop(false, out);
        let index = self.next;
        self.next += 1;
        let part = match content_block {
            Block::ToolUse { .. } => Part::Content,
            _ => Part::Idle,
        };
        let event = Event::ContentBlockStart {
            index,
            content_block,
        };
        out.write(&event, part);
        index
    }

    fn stop(&mut self, all: bool, out: &mut Out<'_>) {
        if let Some(Open::Text(index) | Open::Thinking(index)) = self.open.take() {
            out.write(&Event::ContentBlockStop { index }, Part::Idle);
        }
        self.calls.retain(|call| {
            let stays = !all && !call.arguments.is_whole();
            if !stays {
                let index = call.block;
                out.write(&Event::ContentBlockStop { index }, Part::Idle);
            }
            stays
        });
    }

    fn end(&mut self, out: &mut Out<'_>) {
        self.stop(true, out);
        let reason = stop_reason(self.finish, self.called, self.refused);
        let event = Event::MessageDelta {
            delta: Stop {
                stop_reason: reason,
                stop_sequence: None,
            },
            usage: Told::new(&out.tally.usage()),
        };
        let finish = Some(finish(reason));
        out.write_finish(&event, Part::Idle, finish);
        out.write(&Event::MessageStop {}, Part::End);
    }
}

impl Render for Renderer {
    fn delta(&mut self, delta: Delta, tally: &Tally, events: &mut VecDeque<ChatEvent>) {
        let out = &mut Out { tally, events };
        match &delta {
            Delta::Start { id, model } => return self.start(id, model, out),
            // Counts of the input that come first are told by the start.
            Delta::Usage(_) => return,
            _ => self.start("", "", out),
        }
        match delta {
            // There is no place for what another interface wants back.
            Delta::Start { .. } | Delta::Usage(_) | Delta::ToolExtra { .. } => {}
            Delta::Text(text) => self.text(&text, out),
            Delta::Refusal(text) => {
                self.refused = true;
                self.text(&text, out);
            }
            Delta::Reasoning(text) if text.is_empty() => {}
            Delta::Reasoning(text) => {
                let index = self.thinking(out);
                let delta = More::Thinking { thinking: &text };
                out.write(&Event::ContentBlockDelta { index, delta }, Part::Content);
            }
            Delta::Signature(text) => {
                let index = self.thinking(out);
                let delta = More::Signature { signature: &text };
                out.write(&Event::ContentBlockDelta { index, delta }, Part::Idle);
                // It seals what was thought: more is another block.
                self.stop(false, out);
            }
            Delta::ToolCall { index, id, name } => self.call(index, &id, &name, out),
            Delta::ToolArguments { index, json } => self.arguments(index, &json, out),
            Delta::Finish(reason) => self.finish = Some(reason),
            Delta::End => self.end(out),
        }
    }
}

// ===== impl Out =====

impl Out<'_> {
    fn write(&mut self, event: &Event<'_>, part: Part) {
        self.write_finish(event, part, None);
    }

    fn write_finish(&mut self, event: &Event<'_>, part: Part, finish: Option<FinishReason>) {
        let (bytes, place) = frame(event.name(), event);
        self.events.push_back(
            ChatEvent::new(bytes, place, part)
                .with_finish(finish)
                .with_tally(self.tally),
        );
    }
}
