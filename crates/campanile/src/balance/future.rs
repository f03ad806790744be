use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Follow, Pick, Strategy, attempt::Called, wait::Wait};
use crate::{completion::Completion, protocol::Protocol, rejection::Rejection, time::Timestamp};

pin_project! {
    // Owned types, said here and not where the future is polled: there it would be asked of every error type anew for
    // each lifetime, and an async block over a boxed error would not be `Send`.
    /// The response of a [`Balance`](super::Balance).
    pub struct ResponseFuture<S, St, P, Req>
    where
        S: Service<Req>,
        S: 'static,
        St: Strategy,
        Req: 'static,
    {
        protocol: P,
        #[pin]
        state: State<S, St, P, Req>,
    }
}

pin_project! {
    #[project = StateProj]
    pub(super) enum State<S, St, P, Req>
    where
        S: Service<Req>,
        S: 'static,
        St: Strategy,
        Req: 'static,
    {
        Calling {
            #[pin]
            future: S::Future,
            completion: Option<Completion<Follow<St>>>,
        },
        // Boxed, since few calls wait and all would carry its size.
        Waiting {
            wait: Box<Wait<S, St, P, Req>>,
        },
        Refused {
            rejection: Option<Rejection>,
        },
    }
}

// ===== impl ResponseFuture =====

impl<S, St, P, Req> ResponseFuture<S, St, P, Req>
where
    S: Service<Req>,
    St: Strategy,
{
    pub(super) const fn new(protocol: P, state: State<S, St, P, Req>) -> Self {
        Self { protocol, state }
    }
}

impl<S, St, P, Req> From<Called<S::Future, St>> for State<S, St, P, Req>
where
    S: Service<Req>,
    St: Strategy,
{
    fn from(called: Called<S::Future, St>) -> Self {
        Self::Calling {
            future: called.future,
            completion: Some(called.completion),
        }
    }
}

impl<S, St, P, Req> Future for ResponseFuture<S, St, P, Req>
where
    S: Service<Req> + Clone,
    S::Error: From<Rejection>,
    St: Pick<Req>,
    P: Protocol<Req, S::Response, S::Error>,
{
    type Output = Result<P::Response<Follow<St>>, S::Error>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Calling { future, completion } => {
                    let result = ready!(Completion::watch(completion, || future.poll(cx)));
                    let Some(completion) = completion.take() else {
                        unreachable!("polled after it was ready");
                    };
                    let now = Timestamp::now();
                    // What the endpoint's future holds, a permit of its stack, is given back before the end of the call
                    // wakes those who wait for it.
                    this.state.set(State::Refused { rejection: None });
                    if let Ok(response) = &result
                        && let Some(report) = this.protocol.report(response)
                    {
                        completion.observer().report(now, &report);
                    }
                    return Poll::Ready(this.protocol.complete(result, completion, now));
                }
                StateProj::Waiting { wait } => {
                    let state = match ready!(wait.poll(&*this.protocol, cx)) {
                        Ok(called) => called.into(),
                        Err(rejection) => State::Refused {
                            rejection: Some(rejection),
                        },
                    };
                    this.state.set(state);
                }
                StateProj::Refused { rejection } => {
                    let Some(rejection) = rejection.take() else {
                        unreachable!("polled after it was ready");
                    };
                    return Poll::Ready(Err(rejection.into()));
                }
            }
        }
    }
}

impl<S, St, P, Req> fmt::Debug for ResponseFuture<S, St, P, Req>
where
    S: Service<Req>,
    St: Strategy,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
