//! A call that found no endpoint ready at once.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::Sleep;
use tower_service::Service;

use super::{
    Pick, Strategy,
    attempt::{Attempt, Called, Pending, Search},
    explain::candidates,
    members::{Members, Shared},
    strategy::{Prepare, Probed},
};
use crate::{
    protocol::Protocol,
    rejection::{Rejection, RejectionKind},
    time::Timestamp,
    waiters::Ticket,
};

/// The name by which the pool refuses.
const LAYER: &str = "balance";

/// A call that waits for an endpoint.
pub(super) struct Wait<S, St: Strategy, P, Req> {
    pub(super) shared: Arc<Shared<S, St>>,
    pub(super) request: Option<Req>,
    pub(super) search: Search<S, St>,
    pub(super) probes: Option<Prepare>,
    pub(super) probed: Vec<Probed>,
    /// When patience ends.
    pub(super) until: Timestamp,
    pub(super) deadline: Option<Timestamp>,
    pub(super) gates: Ticket,
    pub(super) crowd: Ticket,
    // Boxed, so that the wait can be moved between polls.
    pub(super) sleep: Option<Pin<Box<Sleep>>>,
    pub(super) protocol: std::marker::PhantomData<fn() -> P>,
}

// ===== impl Wait =====

impl<S, St, P, Req> Wait<S, St, P, Req>
where
    S: Service<Req> + Clone,
    St: Pick<Req>,
    P: Protocol<Req, S::Response, S::Error>,
{
    pub(super) fn poll(
        &mut self,
        protocol: &P,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Called<S::Future, St>, Rejection>> {
        let now = Timestamp::now();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return Poll::Ready(Err(Rejection::new(RejectionKind::DeadlineExceeded, LAYER)));
        }
        if let Some(probes) = &mut self.probes {
            match probes.as_mut().poll(cx) {
                Poll::Ready(probed) => {
                    self.probed = probed;
                    self.probes = None;
                }
                Poll::Pending if now < self.until => {
                    let wake = self
                        .deadline
                        .map_or(self.until, |deadline| deadline.min(self.until));
                    return self.sleep_until(wake, now, cx);
                }
                Poll::Pending => self.probes = None,
            }
        }

        // Registered before the look, so that no change falls between the look and the wait.
        self.shared
            .listener
            .waiters
            .register(&mut self.gates, cx.waker());
        let full = self.search.pending.len() >= self.shared.config.window;
        if full {
            self.shared.crowd.register(&mut self.crowd, cx.waker());
        }
        let shared = Arc::clone(&self.shared);
        let members = shared.members.load_full();
        let attempt = Attempt {
            shared: &shared,
            members: &members,
            protocol,
            now,
        };
        let Some(request) = self.request.take() else {
            unreachable!("polled after it was ready");
        };
        let looked = self
            .poll_pending(&attempt, request, cx)
            .or_else(|request| attempt.search(request, &mut self.search, &self.probed, cx));
        match looked {
            Ok(called) => return Poll::Ready(Ok(called)),
            Err(request) => self.request = Some(request),
        }
        let fills = !full && self.search.pending.len() >= self.shared.config.window;
        // Some are untried, and nothing that is waited for tells of them. It comes to an end: each look closes members or
        // fills the window.
        let dies = self.search.unfinished && self.search.pending.len() < self.shared.config.window;
        if fills || dies {
            // Once more, now that the end of a call would be heard of; or after others had their turn.
            cx.waker().wake_by_ref();
        }
        let waited = self.wait(&members, now, cx);
        if matches!(waited, Poll::Ready(Err(_)))
            && let Some(request) = &self.request
            && let Some(context) = protocol.context(request)
            && let Some(trail) = &context.trail
            && trail.explains()
        {
            trail.refuse(candidates(&members, None, trail, now), now);
        }
        waited
    }

    /// Polls the instances that were not ready. Drops those whose members have closed or left or have another service
    /// now, and notes where the others stand, so that they are not picked again.
    fn poll_pending(
        &mut self,
        attempt: &Attempt<'_, S, St, P>,
        mut request: Req,
        cx: &mut Context<'_>,
    ) -> Result<Called<S::Future, St>, Req> {
        let search = &mut self.search;
        search.left.clear();
        let mut next = 0;
        while let Some(pending) = search.pending.get_mut(next) {
            let slot = &pending.slot;
            let position = attempt.members.position(slot, pending.index).filter(|_| {
                slot.is_current(&pending.instance)
                    && slot.member.endpoint.gate().is_open(attempt.now)
            });
            let Some(position) = position else {
                search.pending.swap_remove(next);
                continue;
            };
            pending.index = position;
            match attempt.poll_instance(&pending.slot, &mut pending.instance, cx) {
                Poll::Pending => {
                    search.left.push(position as u32);
                    next += 1;
                }
                Poll::Ready(true) => {
                    let Pending { slot, instance, .. } = search.pending.swap_remove(next);
                    match attempt.call(&slot, instance, request, &search.cost) {
                        Ok(called) => return Ok(called),
                        Err(back) => request = back,
                    }
                }
                Poll::Ready(false) => {
                    search.pending.swap_remove(next);
                }
            }
        }
        Err(request)
    }

    /// No endpoint takes the call now: waits, or refuses when that is of no use.
    fn wait(
        &mut self,
        members: &Members<S, St>,
        now: Timestamp,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Called<S::Future, St>, Rejection>> {
        let reopening = members.reopening(now);
        let reopens = reopening.earliest;
        let limit = self
            .deadline
            .map_or(self.until, |deadline| deadline.min(self.until));
        let waits_for_none =
            self.search.pending.is_empty() && !self.search.unfinished && !reopening.any_time;
        let hopeless = waits_for_none && reopens.is_some_and(|at| at > limit);
        if now >= self.until || hopeless {
            return Poll::Ready(Err(self.refusal(members, reopens, now)));
        }
        let wake = [reopens, reopening.latest].into_iter().flatten();
        self.sleep_until(wake.fold(limit, Ord::min), now, cx)
    }

    fn refusal(
        &self,
        members: &Members<S, St>,
        reopens: Option<Timestamp>,
        now: Timestamp,
    ) -> Rejection {
        let any_open = (0..members.len()).any(|index| members.is_open(index, || now));
        let kind = if members.len() == 0 {
            RejectionKind::Empty
        } else if any_open {
            RejectionKind::NotReady
        } else {
            RejectionKind::Unavailable
        };
        let rejection = Rejection::new(kind, LAYER);
        match reopens {
            Some(at) => rejection.with_retry_after(at.since(now)),
            None => rejection,
        }
    }

    fn sleep_until<T>(&mut self, wake: Timestamp, now: Timestamp, cx: &mut Context<'_>) -> Poll<T> {
        let at = wake.to_instant(now);
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        sleep.as_mut().reset(at);
        if sleep.as_mut().poll(cx).is_ready() {
            // The timer's clock is ahead of ours: look again.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<S, St: Strategy, P, Req> Drop for Wait<S, St, P, Req> {
    fn drop(&mut self) {
        self.shared.listener.waiters.deregister(&mut self.gates);
        self.shared.crowd.deregister(&mut self.crowd);
    }
}
