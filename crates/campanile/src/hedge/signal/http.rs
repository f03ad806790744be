use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::http::Response;
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{First, Signal};
use crate::outcome::FirstDataFailed;

/// The first data of an HTTP body decide: a frame that is not empty, or the end of the body. Bodies must be `Unpin`, as
/// hyper's, axum's and boxed ones are.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnFirstFrame;

pin_project! {
    /// A body of which the first frame has been read; made by [`OnFirstFrame`]. Frames, trailers, the size hint and the
    /// end of stream are those of the inner body.
    pub struct FirstFrame<B>
    where
        B: Body,
    {
        #[pin]
        inner: B,
        first: First<Result<Frame<B::Data>, B::Error>>,
    }
}

// ===== impl OnFirstFrame =====

impl<B: Body + Unpin> Signal<Response<B>> for OnFirstFrame {
    type Response = Response<FirstFrame<B>>;

    fn hold(&self, response: Response<B>) -> Self::Response {
        response.map(|inner| FirstFrame {
            inner,
            first: First::Awaited,
        })
    }

    fn poll_first(&self, held: &mut Self::Response, cx: &mut Context<'_>) -> Poll<bool> {
        let body = held.body_mut();
        if body.inner.is_end_stream() {
            body.first = First::Ended;
            return Poll::Ready(true);
        }
        loop {
            let frame = ready!(Pin::new(&mut body.inner).poll_frame(cx));
            let over = body.inner.is_end_stream();
            match &frame {
                // Says nothing, unless that it is over.
                Some(Ok(frame))
                    if !over && frame.data_ref().is_some_and(|d| !d.has_remaining()) =>
                {
                    continue;
                }
                _ => {}
            }
            let good = !matches!(frame, Some(Err(_)));
            body.first = frame.map_or(First::Ended, First::Read);
            if !good {
                // Whoever is around it can still try again.
                held.extensions_mut().insert(FirstDataFailed);
            }
            return Poll::Ready(good);
        }
    }
}

// ===== impl FirstFrame =====

impl<B: Body> Body for FirstFrame<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(first));
        }
        if matches!(this.first, First::Ended) {
            return Poll::Ready(None);
        }
        this.inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        match self.first {
            First::Read(_) => false,
            First::Ended => true,
            First::Awaited | First::PassedOn => self.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.inner.size_hint();
        let First::Read(Ok(frame)) = &self.first else {
            return rest;
        };
        let read = frame.data_ref().map_or(0, |data| data.remaining() as u64);
        let mut hint = SizeHint::new();
        // The upper first: the lower must not be above it.
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint.set_lower(rest.lower().saturating_add(read));
        hint
    }
}

impl<B: Body + fmt::Debug> fmt::Debug for FirstFrame<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstFrame")
            .field("inner", &self.inner)
            .field("read", &matches!(self.first, First::Read(_)))
            .finish()
    }
}
