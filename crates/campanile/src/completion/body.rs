use std::{
    fmt,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Chunks, Completion, Meter, Observe};
use crate::{
    outcome::{FailureKind, Outcome},
    time::Timestamp,
};

pin_project! {
    /// An HTTP body that carries the completion of its call. Frames, trailers, the size hint and the end of stream are
    /// those of the inner body.
    ///
    /// The call ends when the body does: as its head said, or as [`FailureKind::Interrupted`] after an error. A server
    /// stops polling once [`is_end_stream`](Body::is_end_stream) holds, so the call ends then too: at once for an empty
    /// body. A body that is dropped before its end was cancelled, unless its head had said that the call went wrong.
    pub struct GuardedBody<B, O: Observe, M = Chunks> {
        #[pin]
        inner: B,
        completion: Option<Completion<O>>,
        meter: M,
        outcome: Outcome,
        // Whoever polls has been told that nothing more comes, and so may never poll again. Atomic, so that the body is
        // as `Sync` as it was.
        told: AtomicBool,
    }

    impl<B, O: Observe, M> PinnedDrop for GuardedBody<B, O, M> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(completion) = this.completion.take() {
                if *this.told.get_mut() {
                    let now = completion.clock();
                    completion.end(now, *this.outcome);
                } else {
                    completion.abandon(*this.outcome);
                }
            }
        }
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
            completion,
            meter,
            outcome,
            told: AtomicBool::new(false),
        }
    }
}

impl<B, O, M> Body for GuardedBody<B, O, M>
where
    B: Body,
    O: Observe,
    M: Meter<B::Data>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let inner = this.inner.as_mut();
        let frame = ready!(Completion::watch(this.completion, || inner.poll_frame(cx)));
        if let Some(completion) = this.completion {
            let now = completion.clock();
            let over = match &frame {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        completion.bytes(data.remaining() as u64);
                        super::meter::observe(
                            this.completion,
                            this.meter.read(data),
                            this.outcome,
                            now,
                        );
                    }
                    this.inner.is_end_stream()
                }
                Some(Err(_)) => {
                    if this.outcome.is_success() {
                        *this.outcome = Outcome::Failure(FailureKind::Interrupted);
                    }
                    true
                }
                None => true,
            };
            if over && let Some(completion) = this.completion.take() {
                completion.end(now, *this.outcome);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let over = self.inner.is_end_stream();
        if over {
            self.told.store(true, Ordering::Relaxed);
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
            .field("outcome", &self.outcome)
            .field("ended", &self.completion.is_none())
            .finish()
    }
}
