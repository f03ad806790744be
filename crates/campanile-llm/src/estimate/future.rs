use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{EstimateStream, Estimator, lesson::Lesson};
use crate::{
    chat::{Answer, ChatResponse},
    embed::EmbeddingResponse,
    error::Error,
};

pin_project! {
    /// The response future of [`Estimate`](super::Estimate).
    #[must_use = "futures do nothing unless polled"]
    pub struct EstimateFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Calling {
            #[pin]
            future: F,
            learner: Option<(Estimator, Lesson)>,
        },
        Refused {
            error: Option<Error>,
        },
    }
}

// ===== impl EstimateFuture =====

impl<F> EstimateFuture<F> {
    pub(super) const fn calling(future: F, estimator: Estimator, lesson: Lesson) -> Self {
        Self {
            state: State::Calling {
                future,
                learner: Some((estimator, lesson)),
            },
        }
    }

    pub(super) const fn refused(error: Error) -> Self {
        Self {
            state: State::Refused { error: Some(error) },
        }
    }
}

/// An answer that can be learned from.
#[allow(unreachable_pub)]
pub trait Teaches {
    /// The answer, with what is yet to be learned from it.
    type Watched;

    /// The answer is there.
    fn teach(self, estimator: Estimator, lesson: Lesson) -> Self::Watched;
}

impl<F, R> Future for EstimateFuture<F>
where
    F: Future<Output = Result<R, Error>>,
    R: Teaches,
{
    type Output = Result<R::Watched, Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (response, learner) = match self.project().state.project() {
            StateProj::Calling { future, learner } => (ready!(future.poll(cx))?, learner.take()),
            StateProj::Refused { error } => {
                let Some(error) = error.take() else {
                    unreachable!("polled after it was ready");
                };
                return Poll::Ready(Err(error));
            }
        };
        let Some((estimator, lesson)) = learner else {
            unreachable!("polled after it was ready");
        };
        Poll::Ready(Ok(response.teach(estimator, lesson)))
    }
}

impl<T> Teaches for ChatResponse<T> {
    type Watched = ChatResponse<EstimateStream<T>>;

    fn teach(self, estimator: Estimator, lesson: Lesson) -> Self::Watched {
        let model = self.meta.model.clone();
        if let Answer::Whole(whole) = &self.answer
            && whole.is_reported()
        {
            estimator.learn(&lesson, model.as_deref(), whole.usage(), 0);
        }
        self.map_stream(|stream| EstimateStream::new(stream, estimator, lesson, model))
    }
}

impl Teaches for EmbeddingResponse {
    type Watched = Self;

    fn teach(self, estimator: Estimator, lesson: Lesson) -> Self {
        if self.is_reported() {
            estimator.learn_embeddings(&lesson, self.usage());
        }
        self
    }
}

impl<F> fmt::Debug for EstimateFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EstimateFuture").finish_non_exhaustive()
    }
}
