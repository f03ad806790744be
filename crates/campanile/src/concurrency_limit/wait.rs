use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::{Instant, Sleep};

use super::{
    LAYER,
    permits::{Displaced, Entered, Place},
    shared::Shared,
};
use crate::{
    context::Priority,
    lane::Share,
    rejection::{Rejection, RejectionKind},
};

/// A call that waits for permits, with the instance that was readied for it.
pub(super) struct Wait<S, Req> {
    pub(super) service: S,
    pub(super) request: Option<Req>,
    turn: Turn,
    deadline: Option<Instant>,
    /// Armed when the call first finds that it has to wait.
    timer: Option<Timer>,
}

/// A place in the queue, from the first poll on: a future that nobody drives stands in nobody's way. Given up when it is
/// dropped.
struct Turn {
    shared: Share<Shared>,
    units: u32,
    priority: Priority,
    place: Option<Place>,
}

struct Timer {
    /// Boxed, so that the wait is `Unpin`.
    sleep: Pin<Box<Sleep>>,
    /// Why the call is refused when the time is over.
    kind: RejectionKind,
}

// ===== impl Wait =====

impl<S, Req> Wait<S, Req> {
    pub(super) fn new(
        shared: Share<Shared>,
        units: u32,
        priority: Priority,
        service: S,
        request: Req,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            service,
            request: Some(request),
            turn: Turn {
                shared,
                units,
                priority,
                place: None,
            },
            deadline,
            timer: None,
        }
    }

    /// Whoever is told that it may go has the permits.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        if let Poll::Ready(granted) = self.turn.poll(cx) {
            return Poll::Ready(granted.map_err(|kind| self.refuse(kind)));
        }
        let (shared, deadline) = (&self.turn.shared, self.deadline);
        let timer = self
            .timer
            .get_or_insert_with(|| Timer::new(shared, deadline));
        ready!(timer.sleep.as_mut().poll(cx));
        let kind = timer.kind;
        Poll::Ready(if self.turn.withdraw() {
            // Handed over in the last moment.
            Ok(())
        } else {
            Err(self.refuse(kind))
        })
    }

    pub(super) const fn shared(&self) -> &Share<Shared> {
        &self.turn.shared
    }

    pub(super) const fn units(&self) -> u32 {
        self.turn.units
    }

    fn refuse(&self, kind: RejectionKind) -> Rejection {
        self.turn.shared.count_refusal();
        Rejection::new(kind, LAYER)
    }
}

impl<S, Req> fmt::Debug for Wait<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("place", &self.turn.place)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

// ===== impl Turn =====

impl Turn {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), RejectionKind>> {
        match self.place {
            Some(place) => {
                let granted = ready!(self.shared.poll(place, cx.waker()));
                self.place = None;
                Poll::Ready(granted.map_err(|Displaced| RejectionKind::ConcurrencyLimited))
            }
            None => match self.shared.enter(self.units, self.priority, cx.waker()) {
                Entered::Admitted => Poll::Ready(Ok(())),
                Entered::Crowded => Poll::Ready(Err(RejectionKind::ConcurrencyLimited)),
                Entered::Queued(place) => {
                    self.place = Some(place);
                    Poll::Pending
                }
            },
        }
    }

    /// Leaves the queue; says whether the call was granted its permits already.
    fn withdraw(&mut self) -> bool {
        self.place
            .take()
            .is_some_and(|place| self.shared.withdraw(place))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.withdraw() {
            self.shared.release(self.units);
        }
    }
}

// ===== impl Timer =====

impl Timer {
    /// Until the end of the patience, or of the call's own time.
    fn new(shared: &Shared, deadline: Option<Instant>) -> Self {
        // 30 years, which is what tokio caps timers at.
        const FAR: std::time::Duration = std::time::Duration::from_secs(86_400 * 365 * 30);
        let patience = Instant::now() + shared.config().max_wait.min(FAR);
        let (until, kind) = match deadline {
            Some(deadline) if deadline < patience => (deadline, RejectionKind::DeadlineExceeded),
            _ => (patience, RejectionKind::ConcurrencyLimited),
        };
        Self {
            sleep: Box::pin(tokio::time::sleep_until(until)),
            kind,
        }
    }
}
