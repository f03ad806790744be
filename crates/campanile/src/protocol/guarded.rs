use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::Protocol;
use crate::{
    completion::{Completion, Observe},
    rejection::Rejection,
};

pin_project! {
    // Owned types, said here and not where the future is polled: there it would be asked of every error type anew for
    // each lifetime, and an async block over a boxed error would not be `Send`.
    /// The response future of a layer that follows a call: it drives the service `S` that the call went to, and hands the
    /// call's [`Completion`] to the answer as the protocol `P` says. Or a refusal.
    ///
    /// What the service's future holds is given back before the call ends, and a panic in there ends the call as
    /// [`FailureKind::Panic`](crate::outcome::FailureKind::Panic) at once.
    #[must_use = "futures do nothing unless polled"]
    pub struct Guarded<S, P, O, Req>
    where
        S: Service<Req>,
        S: 'static,
        O: Observe,
        Req: 'static,
    {
        protocol: P,
        #[pin]
        state: State<S, Req>,
        // Behind the state, so that what the service's future holds is given back before the call ends.
        completion: Option<Completion<O>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req>
    where
        S: Service<Req>,
        S: 'static,
        Req: 'static,
    {
        Calling {
            #[pin]
            future: S::Future,
        },
        Over {
            rejection: Option<Rejection>,
        },
    }
}

// ===== impl Guarded =====

impl<S: Service<Req>, P, O: Observe, Req> Guarded<S, P, O, Req> {
    /// Follows a call that is under way.
    #[inline(always)]
    pub const fn calling(future: S::Future, completion: Completion<O>, protocol: P) -> Self {
        Self {
            protocol,
            state: State::Calling { future },
            completion: Some(completion),
        }
    }

    /// Answers a call with a refusal.
    #[inline]
    pub const fn refused(rejection: Rejection, protocol: P) -> Self {
        Self {
            protocol,
            state: State::Over {
                rejection: Some(rejection),
            },
            completion: None,
        }
    }
}

impl<S, P, O, Req> Future for Guarded<S, P, O, Req>
where
    S: Service<Req>,
    S::Error: From<Rejection>,
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
        match this.state.as_mut().project() {
            StateProj::Calling { future } => {
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
                this.state.set(State::Over { rejection: None });
                this.protocol.arrived(result, this.completion, now);
                this.protocol.hand_on(polled, this.completion, now)
            }
            StateProj::Over { rejection } => {
                let Some(rejection) = rejection.take() else {
                    unreachable!("polled after it was ready");
                };
                Poll::Ready(Err(rejection.into()))
            }
        }
    }
}

impl<S: Service<Req>, P, O: Observe, Req> fmt::Debug for Guarded<S, P, O, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").finish_non_exhaustive()
    }
}
