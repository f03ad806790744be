use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::{Clocked, Countdown, state::Running, watch::Watch};
use crate::rejection::Rejection;

pin_project! {
    /// The response of a [`Timeout`](super::Timeout).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, P, N> {
        #[pin]
        state: State<F>,
        // `None` once it has gone to the answer.
        counting: Option<N>,
        protocol: PhantomData<fn() -> P>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Calling {
            #[pin]
            future: F,
            #[pin]
            watch: Watch<Sleep>,
        },
        Over {
            rejection: Option<Rejection>,
        },
    }
}

// ===== impl ResponseFuture =====

impl<F, P, N> ResponseFuture<F, P, N> {
    #[inline]
    pub(super) const fn calling(future: F, running: Running, counting: N) -> Self {
        Self {
            state: State::Calling {
                future,
                watch: Watch::new(running),
            },
            counting: Some(counting),
            protocol: PhantomData,
        }
    }

    pub(super) const fn refused(rejection: Rejection) -> Self {
        Self {
            state: State::Over {
                rejection: Some(rejection),
            },
            counting: None,
            protocol: PhantomData,
        }
    }
}

impl<F, P, N, Res, Err> Future for ResponseFuture<F, P, N>
where
    F: Future<Output = Result<Res, Err>>,
    Err: From<Rejection>,
    P: Clocked<Res>,
{
    type Output = Result<P::Response<N>, Err>;

    /// # Panics
    ///
    /// When it is polled after it was ready. Outside of a tokio runtime, when the service does not answer at once and a
    /// clock runs.
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (result, mut running) = match this.state.as_mut().project() {
            StateProj::Calling { future, watch } => match future.poll(cx) {
                Poll::Ready(result) => (result, *watch.running()),
                Poll::Pending => {
                    let clock = ready!(watch.poll_over(cx));
                    // Drops the call before anybody hears of its end.
                    this.state.set(State::Over { rejection: None });
                    return Poll::Ready(Err(clock.rejection().into()));
                }
            },
            StateProj::Over { rejection } => {
                let Some(rejection) = rejection.take() else {
                    unreachable!("polled after it was ready");
                };
                return Poll::Ready(Err(rejection.into()));
            }
        };
        this.state.set(State::Over { rejection: None });
        let response = result?;
        let Some(counting) = this.counting.take() else {
            unreachable!("polled after it was ready");
        };
        running.head();
        Poll::Ready(Ok(P::clocked(response, Countdown { running, counting })))
    }
}

impl<F, P, N> fmt::Debug for ResponseFuture<F, P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("over", &matches!(self.state, State::Over { .. }))
            .finish_non_exhaustive()
    }
}
