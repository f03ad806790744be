//! Streamed answers, which prove their end.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use crate::{
    chat::{ChatEvent, ChatResponse, Part},
    error::{Class, Error},
};

mod frame;
mod ndjson;
mod sse;
#[cfg(test)]
mod tests;

pub use frame::Frame;
pub use ndjson::NdjsonFrames;
pub use sse::SseFrames;

/// A streamed answer, of any kind behind a box. Its last event is a proof that it is whole ([`Part::End`]); where the stream
/// within ends without one, this ends in an [`Interrupted`](Class::Interrupted) error. Nothing follows an end or an error.
pub struct ChatStream {
    inner: Option<Events>,
}

type Events = Pin<Box<dyn Stream<Item = Result<ChatEvent, Error>> + Send>>;

// ===== impl ChatStream =====

impl ChatStream {
    /// Makes a stream of events one that proves its end.
    pub fn new<S>(events: S) -> Self
    where
        S: Stream<Item = Result<ChatEvent, Error>> + Send + 'static,
    {
        Self {
            inner: Some(Box::pin(events)),
        }
    }
}

/// The error of a stream that ended without a proof.
pub(crate) fn cut_off() -> Error {
    Error::new(
        Class::Interrupted,
        "the stream ended without a proof that it is whole",
    )
}

impl Stream for ChatStream {
    type Item = Result<ChatEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let item = ready!(inner.as_mut().poll_next(cx)).unwrap_or_else(|| Err(cut_off()));
        if !matches!(&item, Ok(event) if event.part() != Part::End) {
            self.inner = None;
        }
        Poll::Ready(Some(item))
    }
}

impl fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatStream")
            .field("ended", &self.inner.is_none())
            .finish_non_exhaustive()
    }
}

impl<S> ChatResponse<S>
where
    S: Stream<Item = Result<ChatEvent, Error>> + Send + 'static,
{
    /// The same answer with its stream behind a box: one type, however many layers are around the provider.
    #[must_use]
    pub fn boxed(self) -> ChatResponse {
        self.map_stream(ChatStream::new)
    }
}
