use std::collections::VecDeque;

use bytes::Bytes;

use super::*;
use crate::{
    chat::ChatEvent,
    dialect::{
        Asked,
        codec::{Decode, Parse, Translated},
        neutral::Delta,
    },
    error::Error,
    provider::PastReasoning,
    stream::{Frame, SseFrames},
    usage::Tally,
};

mod cut;
mod errors;
mod parse;
mod render;
mod request;
mod samples;
mod to_openai;
mod verbatim;
mod whole;

fn asked() -> Asked {
    Asked {
        model: "asked".into(),
        usage: true,
        choices: 1,
    }
}

/// The frames of a body, however it ends.
fn frames(body: &[u8]) -> Vec<Frame> {
    let mut scan = SseFrames::default();
    scan.push(Bytes::copy_from_slice(body));
    let mut frames = Vec::new();
    while let Some(frame) = scan.end().unwrap() {
        frames.push(frame);
    }
    frames
}

/// What a parser makes of a body, and how it ends.
fn parsed(body: &[u8]) -> (Vec<Delta>, Result<(), Error>) {
    let mut parser = parser();
    let mut deltas = Vec::new();
    for frame in frames(body) {
        if let Err(error) = parser.frame(&frame, &mut deltas) {
            return (deltas, Err(error));
        }
    }
    let end = parser.end(&mut deltas);
    (deltas, end)
}

/// What a decoder makes of a body, and how it ends.
fn decoded(mut decode: impl Decode, body: &[u8]) -> (Vec<ChatEvent>, Result<(), Error>) {
    let mut events = VecDeque::new();
    for frame in frames(body) {
        if let Err(error) = decode.frame(frame, &mut events) {
            return (events.into(), Err(error));
        }
    }
    let end = decode.end(&mut events);
    (events.into(), end)
}

/// The decoder that parses and renders this dialect, where [`verbatim`] would do.
fn translated(tally: Tally) -> impl Decode {
    Translated::new(parser(), renderer(asked()), tally)
}

fn rendered(deltas: impl IntoIterator<Item = Delta>) -> Vec<ChatEvent> {
    let mut renderer = renderer(asked());
    let mut tally = Tally::new(10, 4.0);
    let mut events = VecDeque::new();
    for delta in deltas {
        if let Delta::Usage(usage) = &delta {
            tally.report(usage);
        }
        renderer.delta(delta, &tally, &mut events);
    }
    events.into()
}

fn body(events: &[ChatEvent]) -> Vec<u8> {
    let frames = events.iter().map(|event| &event.frame()[..]);
    frames.collect::<Vec<_>>().concat()
}
