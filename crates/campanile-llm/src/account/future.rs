use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use campanile::{Completion, Outcome, time::Timestamp};
use pin_project_lite::pin_project;

use super::{
    AccountStream,
    attempt::{Answering, Attempt},
};
use crate::{
    chat::{Answer, ChatResponse},
    embed::EmbeddingResponse,
    error::Error,
};

pin_project! {
    /// The response future of [`Account`](super::Account).
    #[must_use = "futures do nothing unless polled"]
    pub struct AccountFuture<F> {
        #[pin]
        future: Option<F>,
        // Behind the future, so that what that holds is given back before the attempt is over.
        completion: Option<Completion<Attempt>>,
    }
}

/// An answer that can be accounted for.
#[allow(unreachable_pub)]
pub trait Answered {
    /// The answer with its attempt, if that goes on.
    type Accounted;

    /// The answer is there. Whether it is whole, and recorded therefore.
    fn record(&mut self, attempt: &mut Attempt) -> bool;

    /// Whatever goes on takes its attempt along. Taken as it was polled, so that it is moved once.
    fn account(
        polled: Poll<Result<Self, Error>>,
        completion: &mut Option<Completion<Attempt>>,
    ) -> Poll<Result<Self::Accounted, Error>>
    where
        Self: Sized;
}

// ===== impl AccountFuture =====

impl<F> AccountFuture<F> {
    #[inline(always)]
    pub(super) const fn new(future: F, completion: Completion<Attempt>) -> Self {
        Self {
            future: Some(future),
            completion: Some(completion),
        }
    }
}

impl<F, R> Future for AccountFuture<F>
where
    F: Future<Output = Result<R, Error>>,
    R: Answered,
{
    type Output = Result<R::Accounted, Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            unreachable!("polled after it was ready");
        };
        // Looked at where it lies, and moved once: answers are large.
        let mut polled = Completion::watch(this.completion, || future.poll(cx));
        let Poll::Ready(result) = &mut polled else {
            return Poll::Pending;
        };
        this.future.set(None);
        let Some(completion) = this.completion else {
            unreachable!("polled after it was ready");
        };
        match result {
            Ok(response) => {
                if response.record(completion.observer_mut()) {
                    completion.end_in_place(Timestamp::ZERO, Outcome::Success);
                    *this.completion = None;
                }
            }
            Err(error) => match (error.begun(), this.completion.take()) {
                (Some(begun), Some(call)) => {
                    let answering = Answering::begun(call, begun);
                    Completion::new(answering).end(Timestamp::ZERO, error.outcome());
                }
                (_, Some(call)) => call.end(Timestamp::ZERO, error.outcome()),
                (_, None) => {}
            },
        }
        R::account(polled, this.completion)
    }
}

impl<T> Answered for ChatResponse<T> {
    type Accounted = ChatResponse<AccountStream<T>>;

    #[inline]
    fn record(&mut self, attempt: &mut Attempt) -> bool {
        let Answer::Whole(whole) = &mut self.answer else {
            return false;
        };
        let reported = whole.is_reported();
        attempt.whole(&self.meta, whole.usage_mut(), reported);
        true
    }

    // An answer in each arm, so that none is moved as large as the other is.
    #[inline(always)]
    fn account(
        polled: Poll<Result<Self, Error>>,
        completion: &mut Option<Completion<Attempt>>,
    ) -> Poll<Result<Self::Accounted, Error>> {
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
                let call = completion.take();
                let answering = call.map(|call| Answering::new(call, &meta));
                let stream = AccountStream::new(stream, answering.map(Completion::new));
                Poll::Ready(Ok(ChatResponse::stream(meta, stream)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Answered for EmbeddingResponse {
    type Accounted = Self;

    fn record(&mut self, attempt: &mut Attempt) -> bool {
        let (mut usage, reported) = (*self.usage(), self.is_reported());
        attempt.whole(&self.meta, &mut usage, reported);
        *self.usage_mut() = usage;
        true
    }

    fn account(
        polled: Poll<Result<Self, Error>>,
        _: &mut Option<Completion<Attempt>>,
    ) -> Poll<Result<Self, Error>> {
        polled
    }
}

impl<F> fmt::Debug for AccountFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountFuture").finish_non_exhaustive()
    }
}
