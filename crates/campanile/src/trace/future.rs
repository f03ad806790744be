use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Traced, text};
use crate::{completion::Completion, protocol::Protocol, time::Timestamp};

pin_project! {
    // Owned types, said here and not where the future is polled: there it would be asked of every error type anew for
    // each lifetime, and an async block over a boxed error would not be `Send`.
    /// The response of a [`Trace`](super::Trace). Not [`Guarded`](crate::protocol::Guarded), since this layer refuses
    /// nothing and so does not ask that errors can be made of refusals.
    #[must_use = "futures do nothing unless polled"]
    pub struct TraceFuture<S, P, Req>
    where
        S: Service<Req>,
        S: 'static,
        Req: 'static,
    {
        protocol: P,
        #[pin]
        future: Option<S::Future>,
        // `None` where nobody listens.
        completion: Option<Completion<Traced>>,
    }
}

// ===== impl TraceFuture =====

impl<S: Service<Req>, P, Req> TraceFuture<S, P, Req> {
    #[inline]
    pub(super) const fn new(
        future: S::Future,
        completion: Option<Completion<Traced>>,
        protocol: P,
    ) -> Self {
        Self {
            protocol,
            future: Some(future),
            completion,
        }
    }
}

impl<S, P, Req> Future for TraceFuture<S, P, Req>
where
    S: Service<Req>,
    S::Error: fmt::Display,
    P: Protocol<Req, S::Response, S::Error>,
{
    type Output = Result<P::Response<Traced>, S::Error>;

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
        // What it holds is given back before the end of the call, and the spans within end before this one.
        this.future.set(None);
        let Some(completion) = this.completion else {
            let mut off = Some(Completion::new(Traced::OFF));
            this.protocol.arrived(&result, &mut off, Timestamp::ZERO);
            return Poll::Ready(this.protocol.complete_in(result, &mut off, Timestamp::ZERO));
        };
        match &result {
            Ok(response) => {
                let status = || this.protocol.status(response);
                completion.observer_mut().status(status);
            }
            Err(error) => {
                if let Some(rejection) = this.protocol.rejection(error) {
                    completion.refused(rejection);
                }
                completion
                    .observer_mut()
                    .failed(|length| text::describe(error, length));
            }
        }
        let now = completion.clock();
        this.protocol.arrived(&result, this.completion, now);
        Poll::Ready(this.protocol.complete_in(result, this.completion, now))
    }
}

impl<S: Service<Req>, P, Req> fmt::Debug for TraceFuture<S, P, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceFuture")
            .field("completion", &self.completion)
            .finish_non_exhaustive()
    }
}
