use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{permit::Permit, wait::Wait};
use crate::{
    completion::Completion,
    protocol::{Guarded, Protocol},
    rejection::Rejection,
};

pin_project! {
    // Owned types, said here and not where the future is polled, as in `Guarded`.
    /// The response of a [`ConcurrencyLimit`](super::ConcurrencyLimit): waits for a permit if it has to, then makes the
    /// call.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, P, Req>
    where
        S: Service<Req>,
        S: 'static,
        Req: 'static,
    {
        #[pin]
        state: State<S, P, Req>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, P, Req>
    where
        S: Service<Req>,
        S: 'static,
        Req: 'static,
    {
        Called {
            #[pin]
            call: Guarded<S, P, Permit, Req>,
        },
        // Boxed, since few calls wait and all would carry its size.
        Waiting {
            wait: Box<(Wait<S, Req>, P)>,
        },
    }
}

// ===== impl ResponseFuture =====

impl<S: Service<Req>, P, Req> ResponseFuture<S, P, Req> {
    #[inline(always)]
    pub(super) const fn called(call: Guarded<S, P, Permit, Req>) -> Self {
        Self {
            state: State::Called { call },
        }
    }

    pub(super) const fn waiting(wait: Box<(Wait<S, Req>, P)>) -> Self {
        Self {
            state: State::Waiting { wait },
        }
    }
}

impl<S, P, Req> Future for ResponseFuture<S, P, Req>
where
    S: Service<Req>,
    S::Error: From<Rejection>,
    P: Protocol<Req, S::Response, S::Error>,
{
    type Output = Result<P::Response<Permit>, S::Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Called { call } => return call.poll(cx),
                StateProj::Waiting { wait } => {
                    let (wait, protocol) = &mut **wait;
                    let granted = ready!(wait.poll(cx));
                    let call = match granted {
                        Ok(()) => call(wait, protocol),
                        Err(rejection) => Guarded::refused(rejection, protocol.clone()),
                    };
                    this.state.set(State::Called { call });
                }
            }
        }
    }
}

/// Makes the call that waited. It has its permits.
fn call<S: Service<Req>, P, Req>(
    wait: &mut Wait<S, Req>,
    protocol: &P,
) -> Guarded<S, P, Permit, Req>
where
    P: Clone,
{
    // First of all: whatever panics from here on gives the permits back.
    let completion = Completion::new(Permit::new(wait.shared().clone(), wait.units()));
    let Some(request) = wait.request.take() else {
        unreachable!("a call waits once");
    };
    let protocol = protocol.clone();
    Guarded::calling(wait.service.call(request), completion, protocol)
}

impl<S: Service<Req>, P, Req> fmt::Debug for ResponseFuture<S, P, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
