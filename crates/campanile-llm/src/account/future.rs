use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use campanile::{Completion, Outcome, time::Timestamp};
use pin_project_lite::pin_project;

use super::{AccountStream, attempt::Attempt};
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

    /// The answer is there.
    fn account(self, completion: Completion<Attempt>) -> Self::Accounted;
}

// ===== impl AccountFuture =====

impl<F> AccountFuture<F> {
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
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            unreachable!("polled after it was ready");
        };
        let result = ready!(Completion::watch(this.completion, || future.poll(cx)));
        this.future.set(None);
        let Some(mut completion) = this.completion.take() else {
            unreachable!("polled after it was ready");
        };
        Poll::Ready(match result {
            Ok(response) => Ok(response.account(completion)),
            Err(error) => {
                if let Some(begun) = error.begun() {
                    completion.observer_mut().begun(begun);
                }
                completion.end(Timestamp::ZERO, error.outcome());
                Err(error)
            }
        })
    }
}

impl<T> Answered for ChatResponse<T> {
    type Accounted = ChatResponse<AccountStream<T>>;

    fn account(self, mut completion: Completion<Attempt>) -> Self::Accounted {
        let attempt = completion.observer_mut();
        attempt.answered(&self.meta);
        let answer = match self.answer {
            Answer::Whole(mut whole) => {
                let reported = whole.is_reported();
                attempt.took(whole.usage_mut(), reported);
                completion.end(Timestamp::ZERO, Outcome::Success);
                Answer::Whole(whole)
            }
            Answer::Stream(stream) => Answer::Stream(AccountStream::new(stream, completion)),
        };
        ChatResponse {
            meta: self.meta,
            answer,
        }
    }
}

impl Answered for EmbeddingResponse {
    type Accounted = Self;

    fn account(mut self, mut completion: Completion<Attempt>) -> Self {
        let attempt = completion.observer_mut();
        attempt.answered(&self.meta);
        let reported = self.is_reported();
        attempt.took(self.usage_mut(), reported);
        completion.end(Timestamp::ZERO, Outcome::Success);
        self
    }
}

impl<F> fmt::Debug for AccountFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountFuture").finish_non_exhaustive()
    }
}
