use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::{Countdown, Counts, Everything, watch::Watch};
use crate::rejection::Rejection;

pin_project! {
    /// A stream of results under the clocks of its call. When one runs out, the inner stream is dropped, and this one ends
    /// in an error made of a [`Rejection`].
    ///
    /// Its timer is boxed, and made when data are first waited for: it is `Unpin` where the inner stream is.
    pub struct TimedStream<T, N = Everything> {
        // `None` once a clock has run out.
        #[pin]
        inner: Option<T>,
        #[pin]
        watch: Watch<Pin<Box<Sleep>>>,
        counting: N,
    }
}

// ===== impl TimedStream =====

impl<T, N> TimedStream<T, N> {
    /// Puts a stream under the clocks of its call.
    pub fn new(inner: T, countdown: Countdown<N>) -> Self {
        Self {
            inner: Some(inner),
            watch: Watch::new(countdown.running),
            counting: countdown.counting,
        }
    }
}

impl<T, D, E, N> Stream for TimedStream<T, N>
where
    T: Stream<Item = Result<D, E>>,
    E: From<Rejection>,
    N: Counts<D>,
{
    type Item = Result<D, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let clock = match inner.poll_next(cx) {
            Poll::Pending => ready!(this.watch.as_mut().poll_over(cx)),
            Poll::Ready(Some(Ok(data))) => {
                let counts = this.counting.counts(&data);
                match this.watch.as_mut().arrived(counts) {
                    Some(clock) => clock,
                    None => return Poll::Ready(Some(Ok(data))),
                }
            }
            Poll::Ready(end) => {
                this.watch.stop();
                return Poll::Ready(end);
            }
        };
        this.inner.set(None);
        this.watch.stop();
        Poll::Ready(Some(Err(clock.rejection().into())))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.inner {
            // It may end before.
            Some(inner) => (0, inner.size_hint().1.map(|most| most.saturating_add(1))),
            None => (0, Some(0)),
        }
    }
}

impl<T: fmt::Debug, N> fmt::Debug for TimedStream<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedStream")
            .field("inner", &self.inner)
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}
