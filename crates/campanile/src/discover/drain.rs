use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Sleep;

use super::Roster;
use crate::{
    endpoint::{Endpoint, Listener, Reason},
    time::Timestamp,
    waiters::{Ticket, Waiters},
};

/// A member that is leaving; made by [`Roster::drain`]. Its output is the number of calls that were still in flight
/// when it was removed.
#[must_use = "dropping a drain removes its member at once"]
pub struct Drain<T: Clone> {
    roster: Roster<T>,
    endpoint: Endpoint,
    turn: u64,
    listener: Listener,
    ticket: Ticket,
    // Boxed, so that the drain is `Unpin`.
    deadline: Pin<Box<Sleep>>,
}

// ===== impl Drain =====

impl<T: Clone> Drain<T> {
    pub(super) fn new(
        roster: Roster<T>,
        endpoint: Endpoint,
        turn: u64,
        patience: Duration,
    ) -> Self {
        // Woken by both: when the last call ends, and when the drain is called off.
        let waiters = Arc::<Waiters>::default();
        let listener = Listener {
            leaving: Arc::clone(&waiters),
            waiters,
            ..Listener::default()
        };
        endpoint.listen(listener.clone());
        Self {
            roster,
            endpoint,
            turn,
            listener,
            ticket: Ticket::default(),
            deadline: Box::pin(tokio::time::sleep(patience)),
        }
    }

    /// The member that is leaving.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn is_over(&self) -> bool {
        self.endpoint.in_flight() == 0
            || !self
                .endpoint
                .gate()
                .is_closed_for(Reason::Draining, Timestamp::now())
    }
}

impl<T: Clone> Future for Drain<T> {
    type Output = u32;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        let this = self.get_mut();
        this.listener.waiters.register(&mut this.ticket, cx.waker());
        // The timer last: it registers its own waker only when it is polled.
        if !this.is_over() && this.deadline.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let left = this.endpoint.in_flight();
        this.roster.remove_drained(&this.endpoint, this.turn);
        Poll::Ready(left)
    }
}

impl<T: Clone> Drop for Drain<T> {
    fn drop(&mut self) {
        let waiters = Arc::clone(&self.listener.waiters);
        waiters.deregister(&mut self.ticket);
        self.endpoint.unlisten(&waiters);
        self.roster.remove_drained(&self.endpoint, self.turn);
    }
}

impl<T: Clone> Unpin for Drain<T> {}

impl<T: Clone> fmt::Debug for Drain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
