use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use campanile::context::Trail;
use campanile_llm::{
    Error,
    chat::{ChatEvent, Part},
    stream::ChatStream,
};
use futures_util::Stream;

use super::story::{Failure, Story};

/// How long what is told in a comment may be.
const COMMENT: usize = 16 << 10;

/// A stream that tells in a comment just before its end, or before its error, where its call went.
///
/// The comment is a line within the event that follows, and no event of its own: some readers take an empty event for one
/// once they have seen an `id`.
pub(super) struct Telling {
    events: ChatStream,
    /// Gone once it was told.
    trail: Option<Trail>,
    last: Option<Result<ChatEvent, Error>>,
}

// ===== impl Telling =====

impl Telling {
    pub(super) const fn new(events: ChatStream, trail: Trail) -> Self {
        Self {
            events,
            trail: Some(trail),
            last: None,
        }
    }
}

impl Stream for Telling {
    type Item = Result<ChatEvent, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(last) = this.last.take() {
            return Poll::Ready(Some(last));
        }
        let item = ready!(Pin::new(&mut this.events).poll_next(cx));
        let (usage, failure) = match &item {
            Some(Ok(event)) if event.part() == Part::End => {
                (Some((*event.usage(), event.is_reported())), None)
            }
            Some(Err(error)) => (None, Some(Failure::of(error))),
            _ => return Poll::Ready(item),
        };
        let Some(trail) = this.trail.take() else {
            return Poll::Ready(item);
        };
        let story = Story::of(&trail, failure.as_ref(), false).text(COMMENT);
        let comment = Bytes::from(format!(": campanile-trail {story}\n"));
        let mut comment = ChatEvent::new(comment, 0..0, Part::Idle);
        if let Some((usage, reported)) = usage {
            comment = comment.with_usage(usage, reported);
        }
        this.last = item;
        Poll::Ready(Some(Ok(comment)))
    }
}
