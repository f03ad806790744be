use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use campanile::lane::Share;
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
            learner: Option<Learner>,
        },
        Refused {
            error: Option<Error>,
        },
    }
}

// ===== impl EstimateFuture =====

impl<F> EstimateFuture<F> {
    #[inline(always)]
    pub(super) const fn calling(future: F, estimator: Share<Estimator>, lesson: Lesson) -> Self {
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

/// Who learns, and what from.
#[allow(unreachable_pub)]
pub type Learner = (Share<Estimator>, Lesson);

/// An answer that can be learned from.
#[allow(unreachable_pub)]
pub trait Teaches {
    /// The answer, with what is yet to be learned from it.
    type Watched;

    /// The answer is there: it is learned from, if it is whole.
    fn teach(&self, learner: &Learner);

    /// Whatever is still to be learned from takes the learner along. Taken as it was polled, so that it is moved once.
    fn watched(
        polled: Poll<Result<Self, Error>>,
        learner: &mut Option<Learner>,
    ) -> Poll<Result<Self::Watched, Error>>
    where
        Self: Sized;
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
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Calling { future, learner } => {
                // Looked at where it lies, and moved once: answers are large.
                let polled = future.poll(cx);
                if let Poll::Ready(Ok(response)) = &polled
                    && let Some(learner) = learner
                {
                    response.teach(learner);
                }
                R::watched(polled, learner)
            }
            StateProj::Refused { error } => {
                let Some(error) = error.take() else {
                    unreachable!("polled after it was ready");
                };
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<T> Teaches for ChatResponse<T> {
    type Watched = ChatResponse<EstimateStream<T>>;

    #[inline]
    fn teach(&self, (estimator, lesson): &Learner) {
        // One that was kept took nothing this time.
        if let Answer::Whole(whole) = &self.answer
            && whole.is_reported()
            && !self.meta.cached
        {
            // A copy: what is looked at by others than this is moved as a block afterwards.
            let usage = *whole.usage();
            estimator.learn(lesson, self.meta.model.as_deref(), &usage, 0);
        }
    }

    // An answer in each arm, so that none is moved as large as the other is.
    #[inline(always)]
    fn watched(
        polled: Poll<Result<Self, Error>>,
        learner: &mut Option<Learner>,
    ) -> Poll<Result<Self::Watched, Error>> {
        match polled {
            Poll::Ready(Ok(Self {
                meta,
                answer: Answer::Whole(whole),
            })) => Poll::Ready(Ok(ChatResponse {
                meta,
                answer: Answer::Whole(whole),
            })),
            Poll::Ready(Ok(Self {
                meta,
                answer: Answer::Stream(stream),
            })) => {
                let model = meta.model.clone();
                let learner = learner.take().filter(|_| !meta.cached);
                let stream = EstimateStream::new(stream, learner, model);
                Poll::Ready(Ok(ChatResponse::stream(meta, stream)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Teaches for EmbeddingResponse {
    type Watched = Self;

    fn teach(&self, (estimator, lesson): &Learner) {
        if self.is_reported() {
            estimator.learn_embeddings(lesson, self.usage());
        }
    }

    fn watched(
        polled: Poll<Result<Self, Error>>,
        _: &mut Option<Learner>,
    ) -> Poll<Result<Self, Error>> {
        polled
    }
}

impl<F> fmt::Debug for EstimateFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EstimateFuture").finish_non_exhaustive()
    }
}
