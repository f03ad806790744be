use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use pin_project_lite::pin_project;

#[cfg(feature = "http")]
mod http;

#[cfg(feature = "http")]
pub use self::http::{FirstFrame, OnFirstFrame};

/// What decides which of two answers is first.
pub trait Signal<Res> {
    /// The answer, while its first data are awaited and when it is handed out.
    type Response;

    /// Holds an answer whose head has arrived.
    fn hold(&self, response: Res) -> Self::Response;

    /// Waits for the first data: `false` if there is an error in their place.
    fn poll_first(&self, held: &mut Self::Response, cx: &mut Context<'_>) -> Poll<bool>;
}

/// The head decides; answers are handed out as they are. For answers that are whole when they arrive.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnHead;

/// The first item of a stream of results decides. Its end counts as one.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnFirstItem;

pin_project! {
    /// A stream of which the first item has been read; made by [`OnFirstItem`].
    pub struct FirstItem<T>
    where
        T: Stream,
    {
        #[pin]
        inner: T,
        first: First<T::Item>,
    }
}

/// What has been read of an answer.
#[derive(Debug)]
enum First<T> {
    Awaited,
    Read(T),
    /// It was over before there was one.
    Ended,
    PassedOn,
}

// ===== impl First =====

impl<T> First<T> {
    /// What was read, once.
    fn take(&mut self) -> Option<T> {
        match std::mem::replace(self, Self::PassedOn) {
            Self::Read(first) => Some(first),
            Self::Ended => {
                *self = Self::Ended;
                None
            }
            Self::Awaited | Self::PassedOn => None,
        }
    }
}

// ===== impl OnHead =====

impl<Res> Signal<Res> for OnHead {
    type Response = Res;

    #[inline]
    fn hold(&self, response: Res) -> Res {
        response
    }

    #[inline]
    fn poll_first(&self, _held: &mut Res, _cx: &mut Context<'_>) -> Poll<bool> {
        Poll::Ready(true)
    }
}

// ===== impl OnFirstItem =====

impl<T, D, E> Signal<T> for OnFirstItem
where
    T: Stream<Item = Result<D, E>> + Unpin,
{
    type Response = FirstItem<T>;

    fn hold(&self, response: T) -> FirstItem<T> {
        FirstItem {
            inner: response,
            first: First::Awaited,
        }
    }

    fn poll_first(&self, held: &mut FirstItem<T>, cx: &mut Context<'_>) -> Poll<bool> {
        let item = ready!(Pin::new(&mut held.inner).poll_next(cx));
        let good = !matches!(item, Some(Err(_)));
        held.first = item.map_or(First::Ended, First::Read);
        Poll::Ready(good)
    }
}

// ===== impl FirstItem =====

impl<T: Stream> Stream for FirstItem<T> {
    type Item = T::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T::Item>> {
        let this = self.project();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(first));
        }
        if matches!(this.first, First::Ended) {
            return Poll::Ready(None);
        }
        this.inner.poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let read = usize::from(matches!(self.first, First::Read(_)));
        let (lower, upper) = self.inner.size_hint();
        let upper = upper.and_then(|upper| upper.checked_add(read));
        (lower.saturating_add(read), upper)
    }
}

impl<T: Stream + fmt::Debug> fmt::Debug for FirstItem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstItem")
            .field("inner", &self.inner)
            .field("read", &matches!(self.first, First::Read(_)))
            .finish()
    }
}
