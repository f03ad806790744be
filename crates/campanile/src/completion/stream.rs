use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::{Chunks, Completion, Held, Meter, Observe};
use crate::outcome::Outcome;

pin_project! {
    /// A stream of results that carries the completion of its call.
    ///
    /// The call ends when the stream does: as its head said, or as its meter [judges](Meter::error) an error item.
    /// A stream that is dropped before its end was cancelled, unless its head or an item had said that the call went
    /// wrong.
    pub struct GuardedStream<T, O: Observe, M = Chunks> {
        #[pin]
        inner: T,
        meter: M,
        // Behind the stream, so that what that holds is given back before the call ends.
        held: Held<O>,
    }
}

// ===== impl GuardedStream =====

impl<T, O: Observe, M> GuardedStream<T, O, M> {
    /// Hangs `completion` on a stream whose head meant `outcome`.
    pub const fn new(inner: T, completion: Completion<O>, meter: M, outcome: Outcome) -> Self {
        Self {
            inner,
            meter,
            held: Held::new(Some(completion), outcome),
        }
    }
}

impl<T, D, E, O, M> Stream for GuardedStream<T, O, M>
where
    T: Stream<Item = Result<D, E>>,
    O: Observe,
    M: Meter<D, E>,
{
    type Item = Result<D, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let inner = this.inner;
        let Held {
            completion: call,
            outcome,
            ..
        } = this.held;
        let item = ready!(Completion::watch(call, || inner.poll_next(cx)));
        if let Some(completion) = call {
            let now = completion.clock();
            match &item {
                Some(Ok(data)) => super::meter::observe(call, this.meter.read(data), outcome, now),
                Some(Err(error)) => super::meter::broke(this.meter, error, outcome),
                None => {
                    if let Some(completion) = call.take() {
                        completion.end(now, *outcome);
                    }
                }
            }
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<T: fmt::Debug, O: Observe, M> fmt::Debug for GuardedStream<T, O, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedStream")
            .field("inner", &self.inner)
            .field("outcome", &self.held.outcome)
            .field("ended", &self.held.completion.is_none())
            .finish()
    }
}
