use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use crate::{
    chat::{ChatEvent, Part},
    error::Error,
    stream::cut_off,
};

/// A streamed answer that has content: first what was held of it, then event by event. See the [module](super).
pub struct CommittedStream<T> {
    held: VecDeque<ChatEvent>,
    /// The event that it was committed for, which follows those held.
    first: Option<ChatEvent>,
    /// `None` once it has ended.
    inner: Option<T>,
}

// ===== impl CommittedStream =====

impl<T> CommittedStream<T> {
    pub(super) fn new(held: VecDeque<ChatEvent>, first: ChatEvent, inner: T) -> Self {
        Self {
            held,
            inner: (first.part() != Part::End).then_some(inner),
            first: Some(first),
        }
    }
}

impl<T> Stream for CommittedStream<T>
where
    T: Stream<Item = Result<ChatEvent, Error>> + Unpin,
{
    type Item = Result<ChatEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.first.is_some() {
            let event = match self.held.pop_front() {
                Some(event) => Some(event),
                None => {
                    self.held = VecDeque::new();
                    self.first.take()
                }
            };
            return Poll::Ready(event.map(Ok));
        }
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let item = ready!(Pin::new(inner).poll_next(cx)).unwrap_or_else(|| Err(cut_off()));
        if !matches!(&item, Ok(event) if event.part() != Part::End) {
            self.inner = None;
        }
        Poll::Ready(Some(item))
    }
}

impl<T> Unpin for CommittedStream<T> {}

impl<T> fmt::Debug for CommittedStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommittedStream")
            .field("held", &self.held.len())
            .field("ended", &self.inner.is_none())
            .finish_non_exhaustive()
    }
}
