//! Drives parsers in tests as a provider's stream does.

use bytes::Bytes;

use super::{codec::Parse, neutral::Delta};
use crate::{
    error::Error,
    stream::{Frame, NdjsonFrames, SseFrames},
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
