use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Advise, buckets::Store, held::Held, settle::Settle, wait::Wait};
use crate::{protocol::Protocol, rejection::Rejection};

pin_project! {
    // Owned types, said here and not where the future is polled: there it would be asked of every error type anew for
    // each lifetime, and an async block over a boxed error would not be `Send`.
    /// The response of a [`RateLimit`](super::RateLimit).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, P, B, A, Req>
    where
        S: Service<Req>,
        S: 'static,
        B: Store,
        Req: 'static,
    {
        protocol: P,
        advise: A,
        #[pin]
        state: State<S, B, Req>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, Req>
    where
        S: Service<Req>,
        S: 'static,
        B: Store,
        Req: 'static,
    {
        Calling {
            #[pin]
            future: S::Future,
            held: Held<B>,
        },
        // Boxed, since few calls wait and all would carry its size.
        Waiting {
            wait: Box<Wait<S, B, Req>>,
        },
        Over {
            rejection: Option<Rejection>,
        },
    }
}

// ===== impl ResponseFuture =====

impl<S: Service<Req>, P, B: Store, A, Req> ResponseFuture<S, P, B, A, Req> {
    #[inline(always)]
    pub(super) const fn calling(future: S::Future, held: Held<B>, protocol: P, advise: A) -> Self {
        Self {
            protocol,
            advise,
            state: State::Calling { future, held },
        }
    }

    pub(super) const fn waiting(wait: Box<Wait<S, B, Req>>, protocol: P, advise: A) -> Self {
        Self {
            protocol,
            advise,
            state: State::Waiting { wait },
        }
    }

    pub(super) const fn refused(rejection: Rejection, protocol: P, advise: A) -> Self {
        Self {
            protocol,
            advise,
            state: State::Over {
                rejection: Some(rejection),
            },
        }
    }
}

impl<S, P, B, A, Req> Future for ResponseFuture<S, P, B, A, Req>
where
    S: Service<Req>,
    S::Error: From<Rejection>,
    P: Protocol<Req, S::Response, S::Error>,
    B: Store,
    A: Advise<S::Response>,
{
    type Output = Result<P::Response<Settle<B>>, S::Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Calling { future, held } => {
                    // Looked at where it lies, and moved once: answers are large.
                    let polled = held.watch(|| future.poll(cx));
                    let Poll::Ready(result) = &polled else {
                        return Poll::Pending;
                    };
                    match result {
                        Ok(response) => {
                            if held.learns()
                                && let Some(advice) = this.advise.advice(response)
                            {
                                held.follow(&advice);
                            }
                        }
                        Err(error) => {
                            if this
                                .protocol
                                .rejection(error)
                                .is_some_and(Rejection::kept_back)
                            {
                                held.refused();
                            }
                        }
                    }
                    let now = held.begun();
                    let Some(released) = held.release() else {
                        unreachable!("polled after it was ready");
                    };
                    // What the service's future holds is given back before the end of the call wakes those who wait.
                    this.state.set(State::Over { rejection: None });
                    let protocol = this.protocol;
                    let mut completion = Some(released.guard());
                    protocol.arrived(result, &mut completion, now);
                    return protocol.hand_on(polled, &mut completion, now);
                }
                StateProj::Waiting { wait } => {
                    let state = match ready!(wait.poll(cx)) {
                        Ok(turned) => {
                            let mut service = turned.service;
                            let held = Held::new(
                                turned.limiter,
                                turned.key,
                                turned.place,
                                turned.cost,
                                turned.now,
                            );
                            State::Calling {
                                future: service.call(turned.request),
                                held,
                            }
                        }
                        Err(rejection) => State::Over {
                            rejection: Some(rejection),
                        },
                    };
                    this.state.set(state);
                }
                StateProj::Over { rejection } => {
                    let Some(rejection) = rejection.take() else {
                        unreachable!("polled after it was ready");
                    };
                    return Poll::Ready(Err(rejection.into()));
                }
            }
        }
    }
}

impl<S: Service<Req>, P, B: Store, A, Req> fmt::Debug for ResponseFuture<S, P, B, A, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
