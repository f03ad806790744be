use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::time::Sleep;
use tower_service::Service;

use super::{Admission, CircuitBreakerHandle, breaker::Breaker, lane::Lanes};
use crate::{
    completion::Completion,
    protocol::{Guarded, Protocol},
    rejection::Rejection,
    time::Timestamp,
    waiters::Ticket,
};

/// A service behind a breaker. Clones share the breaker. See the [module](super).
// Owned types, said here once and for all: where a call is made it would be asked of every error type anew for each
// lifetime, and an async block over a boxed error would not be `Send`.
pub struct CircuitBreaker<S: 'static, P> {
    inner: S,
    lanes: Arc<Lanes>,
    protocol: P,
    /// Boxed, since a clone waits only while it is gated and the breaker is open.
    waiting: Option<Box<Waiting>>,
}

/// A clone that waits for the breaker to let calls in.
struct Waiting {
    breaker: Arc<Breaker>,
    ticket: Ticket,
    sleep: Option<Pin<Box<Sleep>>>,
}

// ===== impl CircuitBreaker =====

impl<S, P> CircuitBreaker<S, P> {
    pub(super) fn assemble(inner: S, lanes: Arc<Lanes>, protocol: P) -> Self {
        Self {
            inner,
            lanes,
            protocol,
            waiting: None,
        }
    }

    /// The breaker, to look at it and to open and close it by hand.
    #[must_use]
    pub fn handle(&self) -> CircuitBreakerHandle {
        CircuitBreakerHandle {
            breaker: Arc::clone(&self.lanes.breaker),
        }
    }

    /// The service within.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Waits until the breaker lets calls in.
    #[cold]
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let breaker = &self.lanes.breaker;
        let waiting = self.waiting.get_or_insert_with(|| {
            Box::new(Waiting {
                breaker: Arc::clone(breaker),
                ticket: Ticket::default(),
                sleep: None,
            })
        });
        // Registered before the look, so that no change falls between the two.
        breaker.waiters.register(&mut waiting.ticket, cx.waker());
        let now = Timestamp::now();
        let Some(refusal) = breaker.refusal(now) else {
            return Poll::Ready(());
        };
        waiting.wait_until(refusal.until, now, cx);
        Poll::Pending
    }
}

impl<S, P, Req> Service<Req> for CircuitBreaker<S, P>
where
    S: Service<Req>,
    S::Error: From<Rejection>,
    P: Protocol<Req, S::Response, S::Error>,
    Req: 'static,
{
    type Response = P::Response<Admission>;
    type Error = S::Error;
    type Future = Guarded<S, P, Admission, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.lanes.gate.is_some() && self.lanes.breaker.word().asks() {
            ready!(self.poll_open(cx));
        }
        if self.waiting.is_some() {
            self.waiting = None;
        }
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, request: Req) -> Self::Future {
        match Admission::new(&self.lanes) {
            Ok(admission) => {
                let completion = Completion::new(admission);
                let future = self.inner.call(request);
                Guarded::calling(future, completion, self.protocol.clone())
            }
            Err(rejection) => Guarded::refused(rejection, self.protocol.clone()),
        }
    }
}

impl<S: Clone, P: Clone> Clone for CircuitBreaker<S, P> {
    /// A clone that waits for nothing.
    fn clone(&self) -> Self {
        Self::assemble(
            self.inner.clone(),
            Arc::clone(&self.lanes),
            self.protocol.clone(),
        )
    }
}

impl<S: fmt::Debug, P> fmt::Debug for CircuitBreaker<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("inner", &self.inner)
            .field("breaker", &self.lanes.breaker)
            .finish_non_exhaustive()
    }
}

// ===== impl Waiting =====

impl Waiting {
    fn wait_until(&mut self, until: Timestamp, now: Timestamp, cx: &mut Context<'_>) {
        if until == Timestamp::MAX {
            self.sleep = None;
            return;
        }
        let at = until.to_instant(now);
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        if sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.breaker.waiters.deregister(&mut self.ticket);
    }
}
