use std::{
    fmt,
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Chunks, Completion, Held, Meter, Observe};
use crate::{outcome::Outcome, time::Timestamp};

pin_project! {
    /// An HTTP body that carries the completion of its call. Frames, trailers, the size hint and the end of stream are
    /// those of the inner body.
    ///
    /// The call ends when the body does: as its head said, or as its meter [judges](Meter::error) an error. A server
    /// stops polling once [`is_end_stream`](Body::is_end_stream) holds, so the call ends then too: at once for an empty
    /// body. A body that is dropped before its end was cancelled, unless its head had said that the call went wrong.
    pub struct GuardedBody<B, O: Observe, M = Chunks> {
        #[pin]
        inner: B,
        meter: M,
        // Behind the body, so that what that holds is given back before the call ends.
        held: Held<O>,
    }
}

// ===== impl GuardedBody =====

impl<B: Body, O: Observe, M> GuardedBody<B, O, M> {
    /// Hangs `completion` on a body whose head, which arrived at `now`, meant `outcome`.
    pub fn new(
        inner: B,
        completion: Completion<O>,
        meter: M,
        outcome: Outcome,
        now: Timestamp,
    ) -> Self {
        let mut completion = Some(completion);
        if inner.is_end_stream()
            && let Some(completion) = completion.take()
        {
            completion.end(now, outcome);
        }
        Self {
            inner,
            meter,
            held: Held::new(completion, outcome),
        }
    }
}

impl<B, O, M> Body for GuardedBody<B, O, M>
where
    B: Body,
    O: Observe,
    M: Meter<B::Data, B::Error>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let inner = this.inner.as_mut();
        let Held {
            completion: call,
            outcome,
            ..
        } = this.held;
        let frame = ready!(Completion::watch(call, || inner.poll_frame(cx)));
        if let Some(completion) = call {
            let now = completion.clock();
            let over = match &frame {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        completion.bytes(data.remaining() as u64);
                        super::meter::observe(call, this.meter.read(data), outcome, now);
                    }
                    this.inner.is_end_stream()
                }
                Some(Err(error)) => {
                    super::meter::broke(this.meter, error, outcome);
                    true
                }
                None => true,
            };
            if over && let Some(completion) = call.take() {
                completion.end(now, *outcome);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let over = self.inner.is_end_stream();
        if over {
            self.held.told.store(true, Ordering::Relaxed);
        }
        over
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug, O: Observe, M> fmt::Debug for GuardedBody<B, O, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedBody")
            .field("inner", &self.inner)
            .field("outcome", &self.held.outcome)
            .field("ended", &self.held.completion.is_none())
            .finish()
    }
}
