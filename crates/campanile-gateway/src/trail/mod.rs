//! Where a call went, and why: told with its answer to a caller that asks for it.
//!
//! A caller asks with the header `x-campanile-trail: 1` (`true` and `json` mean the same). The answer, also one that is an
//! error, has a header of the same name then, with one object of JSON: see [`Story`]. A stream tells in its header what is known
//! at its head (`so_far`), and the whole in a comment just before its end: `: campanile-trail {...}`, which readers of events
//! skip. Of a call whose caller did not ask nothing is kept, and it costs nothing.
//!
//! A handler calls, in this order, [`Told::begin`], [`Told::follow`] and [`header`].

use campanile::{Context, context::Trail};
use campanile_llm::{Error, chat::ChatResponse, stream::ChatStream};
use http::{HeaderMap, HeaderName, HeaderValue};

mod at;
mod story;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use at::AtLayer;
use story::{Failure, Story};
use stream::Telling;

/// The header by which a caller asks, and by which it is told.
pub(crate) const TRAIL: HeaderName = HeaderName::from_static("x-campanile-trail");

/// How long what is told in a header may be. Servers and proxies refuse heads of 8 KiB and more.
const HEADER: usize = 4 << 10;

/// What a caller is told of its call; of one that did not ask, nothing, and nothing is kept.
#[derive(Debug, Default)]
pub(crate) struct Told(Option<Box<Kept>>);

#[derive(Debug)]
struct Kept {
    trail: Trail,
    failure: Option<Failure>,
    /// The rest is told at the end of a stream.
    streams: bool,
}

/// Whether a caller wants to be told where its call goes.
fn wanted(said: Option<&HeaderValue>) -> bool {
    said.is_some_and(|value| {
        let value = value.as_bytes();
        value == b"1" || value.eq_ignore_ascii_case(b"true") || value.eq_ignore_ascii_case(b"json")
    })
}

/// Tells it in the head of the answer.
pub(crate) fn header(told: &Told, headers: &mut HeaderMap) {
    let Some(kept) = &told.0 else {
        return;
    };
    let story = Story::of(&kept.trail, kept.failure.as_ref(), kept.streams);
    if let Ok(value) = HeaderValue::try_from(story.text(HEADER)) {
        headers.insert(TRAIL, value);
    }
}

// ===== impl Told =====

impl Told {
    /// Keeps what is to be told, if the caller asks for it: by this value of the [header](TRAIL).
    pub(crate) fn begin(said: Option<&HeaderValue>, context: &mut Context) -> Self {
        if !wanted(said) {
            return Self(None);
        }
        let trail = Trail::explaining();
        context.trail = Some(trail.clone());
        // What is waited for from now on is waiting, until an attempt begins.
        context.queued_since = trail.began();
        Self(Some(Box::new(Kept {
            trail,
            failure: None,
            streams: false,
        })))
    }

    /// Notes how a call ended, and has a stream tell the rest just before its end.
    pub(crate) fn follow(
        &mut self,
        result: Result<ChatResponse, Error>,
    ) -> Result<ChatResponse, Error> {
        self.note(&result);
        let Some(kept) = &mut self.0 else {
            return result;
        };
        result.map(|answer| {
            answer.map_stream(|stream| {
                kept.streams = true;
                ChatStream::new(Telling::new(stream, kept.trail.clone()))
            })
        })
    }

    /// Notes how a call ended that is no chat.
    pub(crate) fn note<T>(&mut self, result: &Result<T, Error>) {
        if let (Some(kept), Err(error)) = (&mut self.0, result) {
            kept.failure = Some(Failure::of(error));
        }
    }
}
