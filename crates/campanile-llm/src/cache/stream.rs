use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::flight::Reader;
use crate::{chat::ChatEvent, error::Error};

/// The events of an answer: of a call under way, or as they were kept.
pub struct CacheStream {
    source: Source,
}

enum Source {
    Live(Reader),
    Kept {
        events: Arc<[ChatEvent]>,
        next: usize,
    },
}

// ===== impl CacheStream =====

impl CacheStream {
    pub(super) const fn live(reader: Reader) -> Self {
        Self {
            source: Source::Live(reader),
        }
    }

    pub(super) const fn kept(events: Arc<[ChatEvent]>) -> Self {
        Self {
            source: Source::Kept { events, next: 0 },
        }
    }
}

impl Stream for CacheStream {
    type Item = Result<ChatEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.source {
            Source::Live(reader) => reader.poll_event(cx),
            Source::Kept { events, next } => {
                let event = events.get(*next).cloned();
                *next += 1;
                Poll::Ready(event.map(Ok))
            }
        }
    }
}

impl fmt::Debug for CacheStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cached = matches!(self.source, Source::Kept { .. });
        f.debug_struct("CacheStream")
            .field("cached", &cached)
            .finish_non_exhaustive()
    }
}
