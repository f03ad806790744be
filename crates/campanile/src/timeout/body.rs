use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::{Countdown, Counts, Everything, watch::Watch};
use crate::BoxError;

pin_project! {
    /// An HTTP body under the clocks of its call. When one runs out, the inner body is dropped, and this one ends in an
    /// error that holds the [`Rejection`](crate::Rejection).
    ///
    /// Its timer is boxed, and made when data are first waited for: it is `Unpin` where the inner body is.
    pub struct TimedBody<B, N = Everything> {
        // `None` once a clock has run out.
        #[pin]
        inner: Option<B>,
        #[pin]
        watch: Watch<Pin<Box<Sleep>>>,
        counting: N,
    }
}

// ===== impl TimedBody =====

impl<B, N> TimedBody<B, N> {
    /// Puts a body under the clocks of its call.
    pub fn new(inner: B, countdown: Countdown<N>) -> Self {
        Self {
            inner: Some(inner),
            watch: Watch::new(countdown.running),
            counting: countdown.counting,
        }
    }
}

impl<B, N> Body for TimedBody<B, N>
where
    B: Body,
    B::Error: Into<BoxError>,
    N: Counts<B::Data>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let clock = match inner.as_mut().poll_frame(cx) {
            Poll::Pending => ready!(this.watch.as_mut().poll_over(cx)),
            Poll::Ready(Some(Ok(frame))) => {
                let counts = frame
                    .data_ref()
                    .is_none_or(|data| data.has_remaining() && this.counting.counts(data));
                match this.watch.as_mut().arrived(counts) {
                    // What is complete is let through.
                    Some(clock) if !inner.is_end_stream() => clock,
                    _ => return Poll::Ready(Some(Ok(frame))),
                }
            }
            Poll::Ready(end) => {
                this.watch.stop();
                return Poll::Ready(end.map(|frame| frame.map_err(Into::into)));
            }
        };
        this.inner.set(None);
        this.watch.stop();
        Poll::Ready(Some(Err(clock.rejection().into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: fmt::Debug, N> fmt::Debug for TimedBody<B, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedBody")
            .field("inner", &self.inner)
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}
