use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::Recording;
use crate::{completion::Completion, protocol::Protocol, rejection::Rejection};

pin_project! {
    // Owned types, said here and not where the future is polled: there it would be asked of every error type anew for
    // each lifetime, and an async block over a boxed error would not be `Send`.
    /// The response of a [`Measured`](super::Measured) service. Not [`Guarded`](crate::protocol::Guarded), since this layer
    /// refuses nothing and so asks nothing of the error.
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
        completion: Option<Completion<Recording>>,
    }
}

// ===== impl ResponseFuture =====

impl<S: Service<Req>, P, Req> ResponseFuture<S, P, Req> {
    #[inline]
    pub(super) const fn new(
        future: S::Future,
        completion: Completion<Recording>,
        protocol: P,
    ) -> Self {
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
    type Output = Result<P::Response<Recording>, S::Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            unreachable!("polled after it was ready");
        };
        let result = ready!(Completion::watch(this.completion, || future.poll(cx)));
        let Some(completion) = this.completion else {
            unreachable!("polled after it was ready");
        };
        if let Err(error) = &result
            && let Some(rejection) = Rejection::within(error)
        {
            completion.refused(rejection);
        }
        let now = completion.clock();
        // What it holds is given back before the call counts as over.
        this.future.set(None);
        Poll::Ready(this.protocol.complete_in(result, this.completion, now))
    }
}

impl<S: Service<Req>, P, Req> fmt::Debug for ResponseFuture<S, P, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("completion", &self.completion)
            .finish_non_exhaustive()
    }
}
