//! Drives parsers in tests as a provider's stream does.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    Api, Dialect,
    codec::{Decode, Parse},
    dispatch::{Asked, Decoder},
    neutral::Delta,
};
use crate::{
    chat::{ChatEvent, Part},
    error::Error,
    stream::{Frame, NdjsonFrames, SseFrames},
    usage::Tally,
};

/// What came out, and how it ended.
pub(super) type Driven = (Vec<Delta>, Result<(), Error>);

/// Where frames come from.
pub(super) trait Frames: Default {
    fn push(&mut self, chunk: Bytes);
    fn next(&mut self) -> Result<Option<Frame>, Error>;
    fn end(&mut self) -> Result<Option<Frame>, Error>;
}

macro_rules! frames {
    ($($frames:ty),*) => {$(
        impl Frames for $frames {
            fn push(&mut self, chunk: Bytes) {
                Self::push(self, chunk);
            }
            fn next(&mut self) -> Result<Option<Frame>, Error> {
                Self::next(self)
            }
            fn end(&mut self) -> Result<Option<Frame>, Error> {
                Self::end(self)
            }
        }
    )*};
}

frames!(SseFrames, NdjsonFrames);

/// Reads a body that comes in chunks of this size.
pub(super) fn drive<F: Frames>(mut parser: impl Parse, body: &[u8], chunk: usize) -> Driven {
    let mut deltas = Vec::new();
    let result = run::<F>(&mut parser, body, chunk, &mut deltas);
    (deltas, result)
}

fn run<F: Frames>(
    parser: &mut impl Parse,
    body: &[u8],
    chunk: usize,
    deltas: &mut Vec<Delta>,
) -> Result<(), Error> {
    let mut frames = F::default();
    for chunk in body.chunks(chunk.max(1)) {
        frames.push(Bytes::copy_from_slice(chunk));
        while let Some(frame) = frames.next()? {
            parser.frame(&frame, deltas)?;
        }
    }
    if let Some(frame) = frames.end()? {
        parser.frame(&frame, deltas)?;
    }
    parser.end(deltas)
}

/// Cuts a body at each of its bytes. No cut ends cleanly, but one that lost nothing but white space; what was read before a
/// cut is the beginning of what is read of the whole.
pub(super) fn cut_everywhere<F: Frames, P: Parse>(parser: impl Fn() -> P, body: &[u8]) {
    let (whole, result) = drive::<F>(parser(), body, usize::MAX);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(whole.last(), Some(&Delta::End));
    for at in 0..body.len() {
        let (deltas, result) = drive::<F>(parser(), &body[..at], usize::MAX);
        if body[at..].trim_ascii().is_empty() {
            continue;
        }
        assert!(result.is_err(), "cut at {at}: {:?}", deltas.last());
        assert!(!deltas.contains(&Delta::End), "cut at {at}");
        assert!(
            !deltas.iter().any(|d| matches!(d, Delta::Finish(_))),
            "cut at {at}"
        );
        assert!(
            unnamed(&deltas).eq(unnamed(&whole).take(deltas.len())),
            "cut at {at}"
        );
    }
}

/// The same without the names that are made here, which differ from run to run.
pub(super) fn unnamed(deltas: &[Delta]) -> impl Iterator<Item = Delta> {
    deltas.iter().cloned().map(|mut delta| {
        if let Delta::Start { id, .. } | Delta::ToolCall { id, .. } = &mut delta {
            id.clear();
        }
        delta
    })
}

/// The events that a caller sees of a body, and how they ended.
pub(super) fn events(
    api: Api,
    dialect: Dialect,
    body: &[u8],
) -> (Vec<ChatEvent>, Result<(), Error>) {
    let asked = Asked {
        model: "asked".into(),
        usage: true,
        choices: 1,
    };
    let mut decoder = Decoder::new(api, dialect, asked, Tally::new(100, 4.0));
    let mut frames = api.frames(1 << 20);
    let mut events = VecDeque::new();
    frames.push(Bytes::copy_from_slice(body));
    let mut run = || {
        while let Some(frame) = frames.end()? {
            decoder.frame(frame, &mut events)?;
        }
        decoder.end(&mut events)
    };
    let result = run();
    (events.into(), result)
}

/// No cut of a body looks to a caller as if it were whole, and what is counted grows with what is seen.
pub(super) fn cuts_are_seen(api: Api, dialect: Dialect, body: &[u8]) {
    let (whole, result) = events(api, dialect, body);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(whole.last().map(ChatEvent::part), Some(Part::End));
    for at in 0..body.len() {
        let (seen, result) = events(api, dialect, &body[..at]);
        if body[at..].trim_ascii().is_empty() {
            continue;
        }
        assert!(result.is_err(), "cut at {at}");
        assert!(seen.len() < whole.len(), "cut at {at}");
        for (event, full) in seen.iter().zip(&whole) {
            assert_ne!(event.part(), Part::End, "cut at {at}");
            assert_eq!(event.finish(), None, "cut at {at}");
            assert_eq!(event.usage(), full.usage(), "cut at {at}");
        }
    }
}
