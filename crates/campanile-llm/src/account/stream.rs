use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use campanile::{Completion, Outcome, outcome::FailureKind, time::Timestamp};
use futures_core::Stream;
use pin_project_lite::pin_project;

use super::attempt::Answering;
use crate::{
    chat::{ChatEvent, Part},
    error::Error,
};

pin_project! {
    /// The stream of [`Account`](super::Account): the stream within, whose events tell what the call costs so far.
    pub struct AccountStream<S> {
        #[pin]
        inner: S,
        // Behind the stream, so that what that holds is given back before the attempt is over.
        completion: Option<Completion<Answering>>,
    }
}

// ===== impl AccountStream =====

impl<S> AccountStream<S> {
    pub(super) const fn new(inner: S, completion: Option<Completion<Answering>>) -> Self {
        Self { inner, completion }
    }
}

impl<S> Stream for AccountStream<S>
where
    S: Stream<Item = Result<ChatEvent, Error>>,
{
    type Item = Result<ChatEvent, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let inner = this.inner;
        let mut item = ready!(Completion::watch(this.completion, || inner.poll_next(cx)));
        let Some(completion) = this.completion else {
            return Poll::Ready(item);
        };
        let outcome = match &mut item {
            Some(Ok(event)) => {
                let (ended, reported) = (event.part() == Part::End, event.is_reported());
                let attempt = completion.observer_mut();
                attempt.took(event.usage_mut(), reported);
                if !ended {
                    return Poll::Ready(item);
                }
                Outcome::Success
            }
            Some(Err(error)) => error.outcome(),
            // An end without a proof.
            None => Outcome::Failure(FailureKind::Interrupted),
        };
        if let Some(completion) = this.completion.take() {
            completion.end(Timestamp::ZERO, outcome);
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<S> fmt::Debug for AccountStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountStream")
            .field("ended", &self.completion.is_none())
            .finish_non_exhaustive()
    }
}
