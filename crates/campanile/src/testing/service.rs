use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tower_service::Service;

use super::{
    Readiness,
    counts::Left,
    script::Shared,
    step::{Act, Step},
};
use crate::{BoxError, waiters::Ticket};

/// A scripted endpoint; made by [`Script::service`](super::Script::service).
pub struct Scripted<T, E = BoxError> {
    shared: Arc<Shared<T, E>>,
    ticket: Ticket,
    /// Boxed, so that the service is `Unpin`.
    sleep: Option<Pin<Box<Sleep>>>,
    /// When the instance was polled first.
    first: Option<Instant>,
    dead: bool,
}

pin_project! {
    /// The response of a [`Scripted`] endpoint.
    pub struct ScriptFuture<T, E = BoxError> {
        #[pin]
        sleep: Option<Sleep>,
        act: Act<T, E>,
        guard: Guard<T, E>,
    }
}

/// Counts a call out.
struct Guard<T, E> {
    shared: Option<Arc<Shared<T, E>>>,
}

// ===== impl Scripted =====

impl<T, E> Scripted<T, E> {
    pub(super) fn new(shared: Arc<Shared<T, E>>) -> Self {
        shared.tally.born();
        Self {
            shared,
            ticket: Ticket::default(),
            sleep: None,
            first: None,
            dead: false,
        }
    }

    /// Ready once the time has come.
    fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}

impl<T, E, Req> Service<Req> for Scripted<T, E> {
    type Response = T;
    type Error = E;
    type Future = ScriptFuture<T, E>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.shared.tally.poll_readiness();
        // Registered before the look, so that no change falls between the two.
        self.shared.waiters.register(&mut self.ticket, cx.waker());
        let (readiness, since) = self.shared.readiness();
        let answer = match readiness {
            Readiness::Error(error) => {
                self.dead = true;
                Poll::Ready(Err(error()))
            }
            _ if self.dead => panic!("a service was polled again after its poll_ready had failed"),
            Readiness::Ready => Poll::Ready(Ok(())),
            Readiness::Pending => Poll::Pending,
            Readiness::PendingFor(time) => self.poll_until(since + time, cx).map(Ok),
            Readiness::WarmsUp(time) => {
                let first = *self.first.get_or_insert_with(Instant::now);
                self.poll_until(first + time, cx).map(Ok)
            }
            Readiness::Panic => panic!("the script says so: panic in poll_ready"),
        };
        if answer.is_ready() {
            self.shared.waiters.deregister(&mut self.ticket);
        }
        answer
    }

    fn call(&mut self, _request: Req) -> Self::Future {
        let call = self.shared.tally.enter();
        let guard = Guard {
            shared: Some(Arc::clone(&self.shared)),
        };
        let Step { latency, act } = self.shared.step(call);
        assert!(
            !matches!(act, Act::PanicInCall),
            "the script says so: panic in call"
        );
        ScriptFuture {
            sleep: (!latency.is_zero()).then(|| tokio::time::sleep(latency)),
            act,
            guard,
        }
    }
}

impl<T, E> Clone for Scripted<T, E> {
    fn clone(&self) -> Self {
        assert!(
            !self.shared.panics_in_clone(),
            "the script says so: panic in clone"
        );
        Self::new(Arc::clone(&self.shared))
    }
}

impl<T, E> Drop for Scripted<T, E> {
    fn drop(&mut self) {
        self.shared.waiters.deregister(&mut self.ticket);
        self.shared.tally.died();
    }
}

impl<T, E> fmt::Debug for Scripted<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted")
            .field("dead", &self.dead)
            .field("counts", &self.shared.tally.read())
            .finish_non_exhaustive()
    }
}

// ===== impl ScriptFuture =====

impl<T, E> Future for ScriptFuture<T, E> {
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(sleep) = this.sleep.as_pin_mut() {
            ready!(sleep.poll(cx));
        }
        let result = match this.act {
            Act::Answer(answer) => Ok(answer()),
            Act::Fail(error) => Err(error()),
            Act::Stall => return Poll::Pending,
            Act::PanicInCall | Act::PanicInPoll => panic!("the script says so: panic in poll"),
        };
        this.guard.leave(Left::Finished);
        Poll::Ready(result)
    }
}

impl<T, E> fmt::Debug for ScriptFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptFuture").finish_non_exhaustive()
    }
}

// ===== impl Guard =====

impl<T, E> Guard<T, E> {
    fn leave(&mut self, how: Left) {
        if let Some(shared) = self.shared.take() {
            shared.tally.leave(how);
        }
    }
}

impl<T, E> Drop for Guard<T, E> {
    fn drop(&mut self) {
        self.leave(if thread::panicking() {
            Left::Panicked
        } else {
            Left::Cancelled
        });
    }
}
