use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{cell::Seat, service::Join};
use crate::rejection::Rejection;

/// The response of a [`Batch`](super::Batch). Its request joins a batch when it is first polled. Dropped, it leaves the
/// batch; if that was sent before, its answer is dropped.
#[must_use = "futures do nothing unless polled"]
pub struct BatchFuture<Req, Res, Err> {
    state: State<Req, Res, Err>,
}

enum State<Req, Res, Err> {
    New {
        door: Arc<dyn Join<Req, Res, Err>>,
        request: Req,
    },
    Joined(Seat<Req, Res, Err>),
    Over,
}

// ===== impl BatchFuture =====

impl<Req, Res, Err> BatchFuture<Req, Res, Err> {
    #[inline]
    pub(super) const fn new(door: Arc<dyn Join<Req, Res, Err>>, request: Req) -> Self {
        Self {
            state: State::New { door, request },
        }
    }
}

// Nothing in it is ever pinned.
impl<Req, Res, Err> Unpin for BatchFuture<Req, Res, Err> {}

impl<Req, Res, Err> Future for BatchFuture<Req, Res, Err>
where
    Err: From<Rejection>,
{
    type Output = Result<Res, Err>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Joined(seat) = &mut self.state {
            let answer = ready!(seat.poll(cx.waker()));
            self.state = State::Over;
            return Poll::Ready(answer);
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::New { door, request } => match door.join(request, cx.waker()) {
                Ok(seat) => {
                    self.state = State::Joined(seat);
                    Poll::Pending
                }
                Err(rejection) => Poll::Ready(Err(rejection.into())),
            },
            State::Joined(_) | State::Over => unreachable!("polled after it was ready"),
        }
    }
}

impl<Req, Res, Err> fmt::Debug for BatchFuture<Req, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = matches!(self.state, State::Joined(_));
        f.debug_struct("BatchFuture")
            .field("joined", &joined)
            .finish_non_exhaustive()
    }
}
