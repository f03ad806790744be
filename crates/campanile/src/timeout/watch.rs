use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Clock, state::Running};
use crate::time::Timestamp;

/// The clocks of a call whose head has arrived, and what counts as data for them. Goes from the response future to the
/// [`TimedBody`](super::TimedBody) or [`TimedStream`](super::TimedStream) that follows it.
#[derive(Clone)]
pub struct Countdown<N> {
    pub(super) running: Running,
    pub(super) counting: N,
}

pin_project! {
    /// The clocks of a call, and its timer.
    pub(super) struct Watch<T> {
        running: Running,
        // Of the timer, while there is one. It may be earlier than what is due: then it is set anew when it fires, and not
        // with each piece of data.
        armed: Timestamp,
        // Made when the inner future or body first returns `Pending`.
        #[pin]
        sleep: Option<T>,
    }
}

/// Where a timer lies: in place in a future, so that its wait allocates nothing; boxed in a body or stream, which is
/// `Unpin` by that, as readers of bodies ask.
pub(super) trait Timer: Future<Output = ()> {
    fn until(at: Instant) -> Self;

    fn reset(self: Pin<&mut Self>, at: Instant);
}

// ===== impl Timer =====

impl Timer for Sleep {
    fn until(at: Instant) -> Self {
        sleep_until(at)
    }

    fn reset(self: Pin<&mut Self>, at: Instant) {
        Sleep::reset(self, at);
    }
}

impl Timer for Pin<Box<Sleep>> {
    fn until(at: Instant) -> Self {
        Box::pin(sleep_until(at))
    }

    fn reset(self: Pin<&mut Self>, at: Instant) {
        Sleep::reset(self.get_mut().as_mut(), at);
    }
}

// ===== impl Countdown =====

impl<N> fmt::Debug for Countdown<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Countdown")
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

// ===== impl Watch =====

impl<T: Timer> Watch<T> {
    pub(super) const fn new(running: Running) -> Self {
        Self {
            running,
            armed: Timestamp::MAX,
            sleep: None,
        }
    }

    pub(super) const fn running(&self) -> &Running {
        &self.running
    }

    /// What is watched is pending: which clock has run out, if any.
    pub(super) fn poll_over(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Clock> {
        if !self.running.is_bounded() {
            return Poll::Pending;
        }
        let mut this = self.project();
        let now = Timestamp::now();
        this.running.idle(now);
        let due = this.running.due();
        // Before the timer is asked, which refuses to tell when the task's cooperative budget is used up.
        if due.is_over(now) {
            return Poll::Ready(due.clock);
        }
        if due.is_never() {
            return Poll::Pending;
        }
        loop {
            match this.sleep.as_mut().as_pin_mut() {
                None => {
                    this.sleep.set(Some(T::until(due.at.to_instant(now))));
                    *this.armed = due.at;
                }
                Some(sleep) if due.at < *this.armed => {
                    sleep.reset(due.at.to_instant(now));
                    *this.armed = due.at;
                }
                Some(mut sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    if *this.armed >= due.at {
                        return Poll::Ready(due.clock);
                    }
                    sleep.reset(due.at.to_instant(now));
                    *this.armed = due.at;
                }
            }
        }
    }

    /// A piece has arrived, of data that counts or not: which clock has run out all the same, if any. Without this one
    /// that always has something at hand would never be stopped.
    #[inline]
    pub(super) fn arrived(self: Pin<&mut Self>, counts: bool) -> Option<Clock> {
        let running = self.project().running;
        if counts {
            running.data();
            if !running.is_capped() {
                return None;
            }
        } else if !running.is_bounded() {
            return None;
        }
        let now = Timestamp::now();
        if !counts {
            running.idle(now);
        }
        let due = running.due();
        due.is_over(now).then_some(due.clock)
    }

    /// Nothing is watched any longer.
    #[inline]
    pub(super) fn stop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.sleep.is_some() {
            this.sleep.set(None);
        }
    }
}

impl<T> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("running", &self.running)
            .field("armed", &self.sleep.is_some())
            .finish()
    }
}
