//! From a request to a call under way: pick an endpoint, make it ready, call it; or wait.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::time::Sleep;
use tower_service::Service;

use super::{
    Follow, Pick, Protocol, ResponseFuture, Strategy,
    future::State,
    members::{Instance, Members, Shared, Slot},
    strategy::{Prepare, Probed},
    view::PoolView,
};
use crate::{
    completion::Completion,
    context::Context as CallContext,
    cost::Cost,
    endpoint::Ticket,
    rejection::{Rejection, RejectionKind},
    time::Timestamp,
};

/// The name by which the pool refuses.
const LAYER: &str = "balance";

/// A call under way.
pub(super) struct Called<F, St: Strategy> {
    pub(super) future: F,
    pub(super) completion: Completion<Follow<St>>,
}

/// One look at the pool.
pub(super) struct Attempt<'a, S, St: Strategy, P> {
    pub(super) shared: &'a Arc<Shared<S, St>>,
    pub(super) members: &'a Members<S, St>,
    pub(super) protocol: &'a P,
    pub(super) now: Timestamp,
}

/// What a call has found out while it looks for an endpoint.
struct Search<S, St: Strategy> {
    /// Instances that were not ready; their wakers are this call's.
    pending: Vec<(Arc<Slot<S, St>>, Box<Instance<S>>)>,
    /// The members not to pick again in this look, by index.
    left: Vec<u32>,
    rng: u64,
}

/// A call that waits for an endpoint.
pub(super) struct Wait<S, St: Strategy, P, Req> {
    shared: Arc<Shared<S, St>>,
    request: Option<Req>,
    search: Search<S, St>,
    probes: Option<Prepare>,
    probed: Vec<Probed>,
    /// When patience ends.
    until: Timestamp,
    deadline: Option<Timestamp>,
    gates: Ticket,
    crowd: Ticket,
    // Boxed, so that the wait can be moved between polls.
    sleep: Option<Pin<Box<Sleep>>>,
    protocol: std::marker::PhantomData<fn() -> P>,
}

// ===== impl Attempt =====

impl<S, St: Strategy, P> Attempt<'_, S, St, P> {
    /// Calls an endpoint at once if the first one picked is ready, and looks further otherwise.
    ///
    /// The way of almost every call: all of it is inlined here, and all else kept out.
    #[inline(always)]
    pub(super) fn begin<Req>(
        &self,
        request: Req,
        rng: &mut u64,
        until: Option<Timestamp>,
    ) -> ResponseFuture<S, St, P, Req>
    where
        S: Service<Req> + Clone,
        St: Pick<Req>,
        P: Protocol<Req, S::Response, S::Error>,
    {
        let context = self.protocol.context(&request);
        let deadline = context.and_then(|context| context.deadline);
        let cost = self.cost(&request);
        let numbers = Cell::new(*rng);
        let view = self.view(context, &cost, &numbers, &[], &[]);
        let probes = self.shared.strategy.prepare(&view, &request);
        if probes.is_none() && deadline.is_none() {
            let picked = self.shared.strategy.pick(&view, &request);
            *rng = numbers.get();
            if let Some(index) = picked {
                let slot = self.members.slot(index);
                if let Some(mut instance) = slot.take() {
                    // Nobody is there to be woken yet: what is not ready is polled again by the future.
                    match instance.service.poll_ready(&mut Context::from_waker(Waker::noop())) {
                        Poll::Ready(Ok(())) => {
                            slot.was_ready();
                            if let Some(follow) = Follow::begin(slot, self.now, &cost, context) {
                                // Before the call, which may panic.
                                let completion = Completion::new(follow);
                                let future = instance.service.call(request);
                                slot.put_back(instance);
                                return ResponseFuture::new(
                                    self.protocol.clone(),
                                    State::Calling {
                                        future,
                                        completion: Some(completion),
                                    },
                                );
                            }
                        }
                        Poll::Ready(Err(_)) => self.dead(slot),
                        Poll::Pending => return self.look_further(request, *rng, until, Some((slot, instance)), None),
                    }
                }
            }
        } else {
            *rng = numbers.get();
        }
        self.look_further(request, *rng, until, None, probes)
    }

    /// The first look found nobody: the call goes on in its future.
    #[cold]
    #[inline(never)]
    fn look_further<Req>(
        &self,
        request: Req,
        rng: u64,
        until: Option<Timestamp>,
        pending: Option<(&Arc<Slot<S, St>>, Box<Instance<S>>)>,
        probes: Option<Prepare>,
    ) -> ResponseFuture<S, St, P, Req>
    where
        S: Service<Req> + Clone,
        St: Pick<Req>,
        P: Protocol<Req, S::Response, S::Error>,
    {
        let deadline = self
            .protocol
            .context(&request)
            .and_then(|context| context.deadline)
            .map(|deadline| Timestamp::from_instant(deadline, self.now));
        let wait = Box::new(Wait {
            shared: Arc::clone(self.shared),
            request: Some(request),
            search: Search {
                pending: pending
                    .into_iter()
                    .map(|(slot, instance)| (Arc::clone(slot), instance))
                    .collect(),
                left: Vec::new(),
                rng,
            },
            probes,
            probed: Vec::new(),
            until: until.unwrap_or_else(|| self.now.after(self.shared.config.patience)),
            deadline,
            gates: Ticket::default(),
            crowd: Ticket::default(),
            sleep: None,
            protocol: std::marker::PhantomData,
        });
        ResponseFuture::new(self.protocol.clone(), State::Waiting { wait })
    }

    /// What a request is estimated to take.
    #[inline]
    fn cost<Req>(&self, request: &Req) -> Cost
    where
        S: Service<Req>,
        P: Protocol<Req, S::Response, S::Error>,
    {
        self.protocol
            .context(request)
            .and_then(|context| context.cost)
            .unwrap_or_else(|| self.protocol.cost(request))
    }

    #[inline(always)]
    fn view<'v>(
        &'v self,
        context: Option<&'v CallContext>,
        cost: &'v Cost,
        rng: &'v Cell<u64>,
        probed: &'v [Probed],
        left: &'v [u32],
    ) -> PoolView<'v, S, St> {
        PoolView {
            members: self.members,
            now: self.now,
            weights: &self.shared.listener.weights,
            rng,
            context,
            cost,
            probed,
            left,
        }
    }

    /// Picks, makes ready and calls, until an endpoint takes the call or none is left to pick. Gives the request back
    /// in the latter case.
    fn search<Req>(
        &self,
        request: Req,
        search: &mut Search<S, St>,
        probed: &[Probed],
        cx: &mut Context<'_>,
    ) -> Result<Called<S::Future, St>, Req>
    where
        S: Service<Req> + Clone,
        St: Pick<Req>,
        P: Protocol<Req, S::Response, S::Error>,
    {
        let cost = self.cost(&request);
        let mut request = request;
        loop {
            let rng = Cell::new(search.rng);
            let context = self.protocol.context(&request);
            let view = self.view(context, &cost, &rng, probed, &search.left);
            let picked = self.shared.strategy.pick(&view, &request);
            search.rng = rng.get();
            let Some(index) = picked else {
                return Err(request);
            };
            debug_assert!(!search.left.contains(&(index as u32)), "a strategy picked a closed member");
            if search.left.contains(&(index as u32)) || search.pending.len() >= self.shared.config.window {
                return Err(request);
            }
            let slot = self.members.slot(index);
            let Some(mut instance) = slot.take() else {
                search.left.push(index as u32);
                continue;
            };
            match instance.service.poll_ready(cx) {
                Poll::Ready(Ok(())) => {
                    slot.was_ready();
                    match self.call(slot, instance, request, &cost) {
                        Ok(called) => return Ok(called),
                        Err(back) => {
                            // Closed since it was picked.
                            request = back;
                            search.left.push(index as u32);
                        }
                    }
                }
                Poll::Ready(Err(_)) => {
                    self.dead(slot);
                    search.left.push(index as u32);
                }
                Poll::Pending => {
                    search.left.push(index as u32);
                    search.pending.push((Arc::clone(slot), instance));
                }
            }
        }
    }

    /// Calls an instance that is ready, unless its endpoint has closed meanwhile; then the instance is dropped, and
    /// with it what its readiness reserved.
    fn call<Req>(
        &self,
        slot: &Slot<S, St>,
        mut instance: Box<Instance<S>>,
        request: Req,
        cost: &Cost,
    ) -> Result<Called<S::Future, St>, Req>
    where
        S: Service<Req>,
        P: Protocol<Req, S::Response, S::Error>,
    {
        let context = self.protocol.context(&request);
        let Some(follow) = Follow::begin(slot, self.now, cost, context) else {
            return Err(request);
        };
        // Before the call, which may panic.
        let completion = Completion::new(follow);
        let future = instance.service.call(request);
        slot.put_back(instance);
        Ok(Called { future, completion })
    }

    #[cold]
    fn dead(&self, slot: &Slot<S, St>) {
        let pause = slot.was_dead(&self.shared.config, self.now);
        tracing::warn!(endpoint = slot.member.endpoint.key(), ?pause, "an endpoint could not be made ready");
    }
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
        if let Some(deadline) = self.deadline.filter(|deadline| *deadline <= now) {
            let _ = deadline;
            return Poll::Ready(Err(Rejection::new(RejectionKind::DeadlineExceeded, LAYER)));
        }
        if let Some(probes) = &mut self.probes {
            match probes.as_mut().poll(cx) {
                Poll::Ready(probed) => {
                    self.probed = probed;
                    self.probes = None;
                }
                Poll::Pending if now < self.until => {
                    let wake = self.deadline.map_or(self.until, |deadline| deadline.min(self.until));
                    return self.sleep_until(wake, now, cx);
                }
                Poll::Pending => self.probes = None,
            }
        }

        // Registered before the look, so that no change falls between the look and the wait.
        self.shared.listener.waiters.register(&mut self.gates, cx.waker());
        if self.search.pending.len() >= self.shared.config.window {
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
        let Some(mut request) = self.request.take() else {
            unreachable!("polled after it was ready");
        };
        match self.poll_pending(&attempt, request, now, cx) {
            Ok(called) => return Poll::Ready(Ok(called)),
            Err(back) => request = back,
        }
        self.search.left = self.indices(&members);
        match attempt.search(request, &mut self.search, &self.probed, cx) {
            Ok(called) => return Poll::Ready(Ok(called)),
            Err(back) => self.request = Some(back),
        }
        self.wait(&members, now, cx)
    }

    /// Polls the instances that were not ready; drops those whose members have closed or left.
    fn poll_pending(
        &mut self,
        attempt: &Attempt<'_, S, St, P>,
        mut request: Req,
        now: Timestamp,
        cx: &mut Context<'_>,
    ) -> Result<Called<S::Future, St>, Req> {
        let cost = attempt.cost(&request);
        let mut index = 0;
        while index < self.search.pending.len() {
            let (slot, instance) = &mut self.search.pending[index];
            if !slot.member.endpoint.gate().is_open(now) {
                self.search.pending.swap_remove(index);
                continue;
            }
            match instance.service.poll_ready(cx) {
                Poll::Pending => index += 1,
                Poll::Ready(Ok(())) => {
                    let (slot, instance) = self.search.pending.swap_remove(index);
                    slot.was_ready();
                    match attempt.call(&slot, instance, request, &cost) {
                        Ok(called) => return Ok(called),
                        Err(back) => request = back,
                    }
                }
                Poll::Ready(Err(_)) => {
                    let (slot, _) = self.search.pending.swap_remove(index);
                    attempt.dead(&slot);
                }
            }
        }
        Err(request)
    }

    /// Where the members whose instances are polled stand now.
    fn indices(&self, members: &Members<S, St>) -> Vec<u32> {
        if self.search.pending.is_empty() {
            return Vec::new();
        }
        members
            .slots()
            .iter()
            .enumerate()
            .filter(|(_, slot)| {
                self.search
                    .pending
                    .iter()
                    .any(|(pending, _)| Arc::ptr_eq(pending, slot))
            })
            .map(|(index, _)| index as u32)
            .collect()
    }

    /// No endpoint takes the call now: waits, or refuses when that is of no use.
    fn wait(
        &mut self,
        members: &Members<S, St>,
        now: Timestamp,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Called<S::Future, St>, Rejection>> {
        let reopens = members.reopens_at(now);
        let limit = self.deadline.map_or(self.until, |deadline| deadline.min(self.until));
        let hopeless = self.search.pending.is_empty() && reopens.is_some_and(|at| at > limit);
        if now >= self.until || hopeless {
            return Poll::Ready(Err(self.refusal(members, reopens, now)));
        }
        self.sleep_until(reopens.map_or(limit, |at| at.min(limit)), now, cx)
    }

    fn refusal(&self, members: &Members<S, St>, reopens: Option<Timestamp>, now: Timestamp) -> Rejection {
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
