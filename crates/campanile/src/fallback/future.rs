use std::{
    any::Any,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use super::{
    Failed, Keep,
    answer::{BoxFuture, Elsewhere},
};
use crate::{
    context::{Repeat, Trail},
    protocol::Protocol,
};

pin_project! {
    // Owned types, said here and not where the future is polled: there it would be asked of every error type anew for
    // each lifetime, and an async block over a boxed error would not be `Send`.
    /// The response of a [`Fallback`](super::Fallback).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, K, P, Req>
    where
        S: Service<Req>,
        S: 'static,
        K: Keep<Req>,
        K: 'static,
        Req: 'static,
    {
        answer: Elsewhere<K::Kept, S::Response, S::Error>,
        protocol: P,
        // `None` when nothing else is to answer this call.
        kept: Option<K::Kept>,
        trail: Option<Trail>,
        deadline: Option<Instant>,
        #[pin]
        state: State<S::Future, S::Response, S::Error>,
    }
}

pin_project! {
    #[project = StateProj]
    pub(super) enum State<F, Res, Err> {
        First {
            #[pin]
            future: F,
        },
        Second {
            future: BoxFuture<Res, Err>,
        },
        Over,
    }
}

// ===== impl ResponseFuture =====

impl<S: Service<Req>, K: Keep<Req>, P, Req> ResponseFuture<S, K, P, Req> {
    pub(super) const fn new(
        answer: Elsewhere<K::Kept, S::Response, S::Error>,
        protocol: P,
        kept: Option<K::Kept>,
        trail: Option<Trail>,
        deadline: Option<Instant>,
        future: S::Future,
    ) -> Self {
        Self {
            answer,
            protocol,
            kept,
            trail,
            deadline,
            state: State::First { future },
        }
    }
}

impl<S, K, P, Req> Future for ResponseFuture<S, K, P, Req>
where
    S: Service<Req>,
    K: Keep<Req>,
    P: Protocol<Req, S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let result = match this.state.as_mut().project() {
                StateProj::First { future } => ready!(future.poll(cx)),
                StateProj::Second { future } => {
                    let result = ready!(future.as_mut().poll(cx));
                    this.state.set(State::Over);
                    return Poll::Ready(result);
                }
                StateProj::Over => unreachable!("polled after it was ready"),
            };
            // What the first call holds is given back before anything else begins.
            this.state.set(State::Over);
            let Some(mut kept) = this.kept.take() else {
                return Poll::Ready(result);
            };
            let outcome = this.protocol.classify(result.as_ref());
            if outcome.is_success() {
                return Poll::Ready(result);
            }
            let overdue = |deadline: &Instant| *deadline <= Instant::now();
            if this.deadline.as_ref().is_some_and(overdue) {
                return Poll::Ready(result);
            }
            // Where it is a whole request, and not something derived of it.
            if let Some(request) = (&mut kept as &mut dyn Any).downcast_mut::<Req>()
                && this.protocol.context(request).is_some()
                && let Some(context) = this.protocol.context_mut(request)
            {
                let made = this.trail.as_ref().map_or(0, Trail::made);
                let attempt = context.attempt.saturating_add(1).max(made);
                context.repeat(attempt, Repeat::Fallback);
            }
            let failed = Failed {
                outcome,
                result,
                trail: this.trail.take(),
            };
            match this.answer.answer(kept, failed) {
                Ok(future) => this.state.set(State::Second { future }),
                Err(result) => return Poll::Ready(result),
            }
        }
    }
}

impl<S: Service<Req>, K: Keep<Req>, P, Req> fmt::Debug for ResponseFuture<S, K, P, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::First { .. } => "first",
            State::Second { .. } => "second",
            State::Over => "over",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
