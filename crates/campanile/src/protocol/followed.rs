use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::Protocol;
use crate::completion::{Completion, Observe};

pin_project! {
    // Owned types, said here and not where the future is polled: there it would be asked of every error type anew for
    // each lifetime, and an async block over a boxed error would not be `Send`.
    /// The response future of a layer that follows a call and refuses none, so that it asks nothing of the error: otherwise
    /// as [`Guarded`](super::Guarded).
    ///
    /// What the service's future holds is given back before the call ends, and a panic in there ends the call as
    /// [`FailureKind::Panic`](crate::outcome::FailureKind::Panic) at once.
    #[must_use = "futures do nothing unless polled"]
    pub struct Followed<S, P, O, Req>
    where
        S: Service<Req>,
        S: 'static,
        O: Observe,
        Req: 'static,
    {
        protocol: P,
        #[pin]
        future: Option<S::Future>,
        // Behind the future, so that what that holds is given back before the call ends.
        completion: Option<Completion<O>>,
    }
}

// ===== impl Followed =====

impl<S: Service<Req>, P, O: Observe, Req> Followed<S, P, O, Req> {
    /// Follows a call that is under way.
    #[inline]
    pub const fn new(future: S::Future, completion: Completion<O>, protocol: P) -> Self {
        Self {
            protocol,
            future: Some(future),
            completion: Some(completion),
        }
    }
}

impl<S, P, O, Req> Future for Followed<S, P, O, Req>
where
    S: Service<Req>,
    P: Protocol<Req, S::Response, S::Error>,
    O: Observe,
{
    type Output = Result<P::Response<O>, S::Error>;

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
        let polled = Completion::watch(this.completion, || future.poll(cx));
        let Poll::Ready(result) = &polled else {
            return Poll::Pending;
        };
        let Some(completion) = this.completion else {
            unreachable!("polled after it was ready");
        };
        if let Err(error) = result
            && let Some(rejection) = this.protocol.rejection(error)
        {
            completion.refused(rejection);
        }
        let now = completion.clock();
        // Before the end of the call wakes those who wait for what the future holds.
        this.future.set(None);
        this.protocol.arrived(result, this.completion, now);
        match polled {
            Poll::Ready(result) => {
                Poll::Ready(this.protocol.complete_in(result, this.completion, now))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: Service<Req>, P, O: Observe, Req> fmt::Debug for Followed<S, P, O, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed").finish_non_exhaustive()
    }
}
