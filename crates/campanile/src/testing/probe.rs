use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use thiserror::Error;
use tower_service::Service;

use super::{Permit, Permits};
use crate::{
    sync::{Mutex, lock},
    waiters::Ticket,
};

/// Wraps a service and shows who breaks the rules of readiness: it panics, or [records](Self::recording), when the
/// service is called on an instance that was not readied. What makes an instance ready is its own `poll_ready`, for one
/// call: a clone of a readied instance is not ready.
///
/// ```should_panic
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use campanile::testing::{ReadinessProbe, Script};
/// use tower::{Service, ServiceExt};
///
/// let mut service = ReadinessProbe::new(Script::answering("hello").service());
/// ServiceExt::<()>::ready(&mut service).await.unwrap();
/// service.clone().call(()).await.unwrap(); // panics: the clone was not readied
/// # }
/// ```
///
/// With [permits](Self::permits), readiness takes something that others then lack, so that a test sees who reserves
/// what:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use campanile::testing::{Permits, ReadinessProbe, Script};
/// use tower::ServiceExt;
///
/// let permits = Permits::new(1);
/// let mut service = ReadinessProbe::new(Script::answering("hello").service()).permits(permits.clone());
/// ServiceExt::<()>::ready(&mut service).await.unwrap();
/// assert_eq!((permits.free(), permits.reserved()), (0, 1));
/// drop(service);
/// assert_eq!((permits.free(), permits.reserved()), (1, 0));
/// # }
/// ```
pub struct ReadinessProbe<S> {
    inner: S,
    state: State,
    permits: Option<Permits>,
    permit: Option<Permit>,
    ticket: Ticket,
    record: Option<Violations>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Ready,
    Called,
    Dead,
}

/// A broken rule of readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Violation {
    /// An instance was called whose own `poll_ready` had not said that it is ready: often a clone of one whose had.
    #[error("called without having been readied")]
    NotReadied,
    /// An instance was called a second time after one readiness.
    #[error("called twice on one readiness")]
    CalledTwice,
    /// An instance was polled or called after its `poll_ready` had failed.
    #[error("used after its poll_ready had failed")]
    UsedAfterError,
}

/// The broken rules that a [recording](ReadinessProbe::recording) probe saw. A handle: clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct Violations(Arc<Mutex<Vec<Violation>>>);

pin_project! {
    /// The response of a [`ReadinessProbe`].
    pub struct ProbeFuture<F> {
        #[pin]
        inner: F,
        permit: Option<Permit>,
    }
}

// ===== impl ReadinessProbe =====

impl<S> ReadinessProbe<S> {
    /// A probe that panics when a rule is broken, in the call that breaks it.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self::assemble(inner, None, None)
    }

    /// A probe that notes broken rules, for stacks that swallow panics.
    #[must_use]
    pub fn recording(inner: S) -> (Self, Violations) {
        let violations = Violations::default();
        (
            Self::assemble(inner, None, Some(violations.clone())),
            violations,
        )
    }

    fn assemble(inner: S, permits: Option<Permits>, record: Option<Violations>) -> Self {
        Self {
            inner,
            state: State::Fresh,
            permits,
            permit: None,
            ticket: Ticket::default(),
            record,
        }
    }

    /// Readiness takes one of these permits, and the call gives it back when its future ends.
    #[must_use]
    pub fn permits(mut self, permits: Permits) -> Self {
        self.permits = Some(permits);
        self
    }

    fn check(&self, allowed: bool, violation: Violation) {
        if allowed {
            return;
        }
        match &self.record {
            Some(violations) => lock(&violations.0).push(violation),
            None => panic!("a rule of readiness was broken: {violation}"),
        }
    }
}

impl<S, Req> Service<Req> for ReadinessProbe<S>
where
    S: Service<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ProbeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.check(self.state != State::Dead, Violation::UsedAfterError);
        if let (Some(permits), None) = (&self.permits, &self.permit) {
            self.permit = Some(ready!(permits.poll_take(&mut self.ticket, cx)));
        }
        let answer = self.inner.poll_ready(cx);
        match &answer {
            Poll::Ready(Ok(())) => self.state = State::Ready,
            Poll::Ready(Err(_)) => {
                self.state = State::Dead;
                self.permit = None;
            }
            Poll::Pending => {
                // What waits holds nothing that others could use.
                self.permit = None;
                if self.state == State::Ready {
                    self.state = State::Fresh;
                }
            }
        }
        answer
    }

    fn call(&mut self, request: Req) -> Self::Future {
        self.check(self.state != State::Dead, Violation::UsedAfterError);
        self.check(self.state != State::Called, Violation::CalledTwice);
        self.check(self.state != State::Fresh, Violation::NotReadied);
        if self.state != State::Dead {
            self.state = State::Called;
        }
        let mut permit = self.permit.take();
        if let Some(permit) = &mut permit {
            permit.spend();
        }
        ProbeFuture {
            inner: self.inner.call(request),
            permit,
        }
    }
}

impl<S: Clone> Clone for ReadinessProbe<S> {
    /// A clone that is not ready and holds no permit.
    fn clone(&self) -> Self {
        Self::assemble(
            self.inner.clone(),
            self.permits.clone(),
            self.record.clone(),
        )
    }
}

impl<S> Drop for ReadinessProbe<S> {
    fn drop(&mut self) {
        if let Some(permits) = &self.permits {
            permits.forget(&mut self.ticket);
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for ReadinessProbe<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadinessProbe")
            .field("inner", &self.inner)
            .field("state", &self.state)
            .field("permit", &self.permit.is_some())
            .finish_non_exhaustive()
    }
}

// ===== impl Violations =====

impl Violations {
    /// Those up to now, in order.
    #[must_use]
    pub fn list(&self) -> Vec<Violation> {
        lock(&self.0).clone()
    }
}

// ===== impl ProbeFuture =====

impl<F: Future> Future for ProbeFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let output = ready!(this.inner.poll(cx));
        *this.permit = None;
        Poll::Ready(output)
    }
}

impl<F> fmt::Debug for ProbeFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeFuture")
            .field("permit", &self.permit.is_some())
            .finish_non_exhaustive()
    }
}
