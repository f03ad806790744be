use std::{
    any::Any,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::Timed;
use crate::{
    BoxError,
    completion::Completion,
    outcome::Outcome,
    protocol::Protocol,
    rejection::{Rejection, RejectionKind},
    time::Timestamp,
};

pin_project! {
    // Owned types, said here and not where the future is polled: there it would be asked of every error type anew for
    // each lifetime, and an async block over a boxed error would not be `Send`.
    /// The response of a [`BackPressure`](super::BackPressure). Not [`Guarded`](crate::protocol::Guarded), since this
    /// layer refuses nothing and so asks nothing of the error.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, P, Req>
    where
        S: Service<Req>,
        S: 'static,
        Req: 'static,
    {
        protocol: P,
        #[pin]
        future: Option<S::Future>,
        completion: Option<Completion<Timed>>,
    }
}

// ===== impl ResponseFuture =====

impl<S: Service<Req>, P, Req> ResponseFuture<S, P, Req> {
    #[inline]
    pub(super) const fn new(future: S::Future, completion: Completion<Timed>, protocol: P) -> Self {
        Self {
            protocol,
            future: Some(future),
            completion: Some(completion),
        }
    }
}

impl<S, P, Req> Future for ResponseFuture<S, P, Req>
where
    S: Service<Req>,
    P: Protocol<Req, S::Response, S::Error>,
{
    type Output = Result<P::Response<Timed>, S::Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            unreachable!("polled after it was ready");
        };
        let result = ready!(Completion::watch(this.completion, || future.poll(cx)));
        let Some(completion) = this.completion.take() else {
            unreachable!("polled after it was ready");
        };
        let now = Timestamp::now();
        // What it holds is given back before the end of the call may make room for others.
        this.future.set(None);
        match result {
            Err(error) if is_refusal(&error) => {
                completion.end(now, Outcome::Ignored);
                Poll::Ready(Err(error))
            }
            result => Poll::Ready(this.protocol.complete(result, completion, now)),
        }
    }
}

impl<S: Service<Req>, P, Req> fmt::Debug for ResponseFuture<S, P, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("completion", &self.completion)
            .finish_non_exhaustive()
    }
}

/// Whether another layer of this stack refused the call, which says nothing about the service; a refusal that shrank the
/// limit it came from would bring about the next. One for a time-out is the service's own failure.
#[cold]
fn is_refusal<E: 'static>(error: &E) -> bool {
    let error: &dyn Any = error;
    let rejection = match error.downcast_ref::<Rejection>() {
        Some(rejection) => Some(rejection),
        None => error
            .downcast_ref::<BoxError>()
            .and_then(|error| Rejection::find(&**error)),
    };
    rejection.is_some_and(|rejection| rejection.kind() != RejectionKind::TimedOut)
}
