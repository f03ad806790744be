use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::future::Learner;
use crate::{
    chat::{ChatEvent, Part},
    error::Error,
};

pin_project! {
    /// The stream of [`Estimate`](super::Estimate): the stream within, whose proven end is learned from.
    pub struct EstimateStream<S> {
        #[pin]
        inner: S,
        // Gone once it is learned.
        learner: Option<Learner>,
        model: Option<Arc<str>>,
    }
}

// ===== impl EstimateStream =====

impl<S> EstimateStream<S> {
    pub(super) const fn new(inner: S, learner: Option<Learner>, model: Option<Arc<str>>) -> Self {
        Self {
            inner,
            learner,
            model,
        }
    }
}

impl<S> Stream for EstimateStream<S>
where
    S: Stream<Item = Result<ChatEvent, Error>>,
{
    type Item = Result<ChatEvent, Error>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let item = ready!(this.inner.poll_next(cx));
        if let Some(Ok(event)) = &item
            && event.part() == Part::End
            && event.is_reported()
            && let Some((estimator, lesson)) = this.learner.take()
        {
            let model = this.model.as_deref();
            estimator.learn(&lesson, model, event.usage(), event.bytes());
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<S> fmt::Debug for EstimateStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EstimateStream").finish_non_exhaustive()
    }
}
