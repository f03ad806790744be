use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::Sleep;

use super::{
    buckets::{Place, Store},
    limiter::{Limiter, Queued, Turn},
    state::Amounts,
};
use crate::{lane::Share, rejection::Rejection, time::Timestamp};

/// A call that waits, with the readied service that it will go to.
pub(super) struct Wait<S, B: Store, Req> {
    /// First, so that the place is given up before what the service holds.
    turn: InLine<B>,
    call: Option<(S, Req)>,
    /// Made when it is first needed: where there is a runtime.
    sleep: Option<Pin<Box<Sleep>>>,
}

/// A place in a queue. Given up when it is dropped.
struct InLine<B: Store> {
    limiter: Share<Limiter<B>>,
    key: B::Key,
    queued: Queued,
    over: bool,
}

/// A call that has waited and may go.
pub(super) struct Turned<S, B: Store, Req> {
    pub(super) service: S,
    pub(super) request: Req,
    pub(super) limiter: Share<Limiter<B>>,
    pub(super) key: B::Key,
    pub(super) place: Place,
    pub(super) cost: Amounts,
    pub(super) now: Timestamp,
}

// ===== impl Wait =====

impl<S, B: Store, Req> Wait<S, B, Req> {
    pub(super) fn new(
        service: S,
        request: Req,
        limiter: Share<Limiter<B>>,
        key: B::Key,
        queued: Queued,
    ) -> Self {
        Self {
            turn: InLine {
                limiter,
                key,
                queued,
                over: false,
            },
            call: Some((service, request)),
            sleep: None,
        }
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Turned<S, B, Req>, Rejection>> {
        let turn = &mut self.turn;
        loop {
            let now = Timestamp::now();
            let at = match turn
                .limiter
                .advance(&turn.key, &turn.queued, now, cx.waker())
            {
                Turn::Admitted => {
                    turn.over = true;
                    let Some((service, request)) = self.call.take() else {
                        unreachable!("polled after it was ready");
                    };
                    return Poll::Ready(Ok(Turned {
                        service,
                        request,
                        limiter: turn.limiter.clone(),
                        key: turn.key.clone(),
                        place: turn.queued.place,
                        cost: turn.queued.cost,
                        now,
                    }));
                }
                Turn::Refused(rejection) => {
                    turn.over = true;
                    let (key, cost) = (&turn.key, &turn.queued.cost);
                    let rejection = turn.limiter.explain(rejection, key, cost, now);
                    return Poll::Ready(Err(rejection));
                }
                Turn::Waits(at) => at.to_instant(now),
            };
            let sleep = match &mut self.sleep {
                Some(sleep) => {
                    sleep.as_mut().reset(at);
                    sleep
                }
                none => none.insert(Box::pin(tokio::time::sleep_until(at))),
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

// ===== impl InLine =====

impl<B: Store> Drop for InLine<B> {
    fn drop(&mut self) {
        if !self.over {
            self.limiter
                .leave(&self.key, &self.queued, Timestamp::now());
        }
    }
}
