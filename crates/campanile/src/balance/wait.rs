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
    cost: Cost,
    pending: Vec<Pending<S, St>>,
    /// The members not to pick again in this look, by index.
    left: Vec<u32>,
    rng: u64,
    /// The look was given up while there was somebody left to try.
    unfinished: bool,
}

/// An instance that was not ready; its waker is this call's.
struct Pending<S, St: Strategy> {
    slot: Arc<Slot<S, St>>,
    instance: Box<Instance<S>>,
    /// Where the member stood.
    index: usize,
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
                let lane = slot.lane();
                if let Some(mut instance) = slot.take(lane) {
                    // Nobody is there to be woken yet.
                    match instance
                        .service
                        .poll_ready(&mut Context::from_waker(Waker::noop()))
                    {
                        Poll::Ready(Ok(())) => {
                            slot.was_ready();
                            if let Some(follow) =
                                Follow::begin(&lane.handle, self.now, &cost, context)
                            {
                                // Before the call, which may panic.
                                let completion = Completion::new(follow);
                                completion.observer().tell();
                                let future = instance.service.call(request);
                                slot.put_back(lane, instance);
                                return ResponseFuture::new(
                                    self.protocol.clone(),
                                    State::Calling {
                                        future,
                                        completion: Some(completion),
                                        suspended: false,
                                    },
                                );
                            }
                        }
                        Poll::Ready(Err(_)) => self.dead(slot),
                        // Dropped, and polled anew by the future: a future that nobody polls must not hold a place in
                        // the endpoint's queue.
                        Poll::Pending => {}
                    }
                }
            }
        } else {
            *rng = numbers.get();
        }
        self.look_further(request, &cost, rng, until, probes)
    }

    /// Picks for a request, and leaves it at that.
    #[inline(always)]
    pub(super) fn pick<Req>(&self, request: &Req, rng: &mut u64) -> Option<usize>
    where
        S: Service<Req>,
        St: Pick<Req>,
        P: Protocol<Req, S::Response, S::Error>,
    {
        let context = self.protocol.context(request);
        let cost = self.cost(request);
        let numbers = Cell::new(*rng);
        let view = self.view(context, &cost, &numbers, &[], &[]);
        let picked = self.shared.strategy.pick(&view, request);
        *rng = numbers.get();
        picked
    }

    /// The first look found nobody: the call goes on in its future.
    #[cold]
    #[inline(never)]
    fn look_further<Req>(
        &self,
        request: Req,
        cost: &Cost,
        rng: &mut u64,
        until: Option<Timestamp>,
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
                cost: *cost,
                pending: Vec::new(),
                left: Vec::new(),
                rng: fork(rng),
                unfinished: false,
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
            weights: self
                .shared
                .listener
                .weights
                .load(std::sync::atomic::Ordering::Acquire),
            rng,
            context,
            cost,
            probed,
            left,
        }
    }

    /// Picks, makes ready and calls, until an endpoint takes the call or none is left to pick. Gives the request back
    /// in the latter case, and after so many tries that others should run first.
    fn search<Req>(
        &self,
        mut request: Req,
        search: &mut Search<S, St>,
        probed: &[Probed],
        cx: &mut Context<'_>,
    ) -> Result<Called<S::Future, St>, Req>
    where
        S: Service<Req> + Clone,
        St: Pick<Req>,
        P: Protocol<Req, S::Response, S::Error>,
    {
        let window = self.shared.config.window;
        search.unfinished = false;
        for _ in 0..window.saturating_mul(2) {
            let rng = Cell::new(search.rng);
            let context = self.protocol.context(&request);
            let view = self.view(context, &search.cost, &rng, probed, &search.left);
            let picked = self.shared.strategy.pick(&view, &request);
            search.rng = rng.get();
            let Some(index) = picked else {
                return Err(request);
            };
            debug_assert!(
                !search.left.contains(&(index as u32)),
                "a strategy picked a member that its view hid"
            );
            let slot = self.members.slot(index);
            search.left.push(index as u32);
            let Some(mut instance) = slot.take(slot.lane()) else {
                continue;
            };
            match self.poll_instance(slot, &mut instance, cx) {
                Poll::Ready(true) => match self.call(slot, instance, request, &search.cost) {
                    Ok(called) => return Ok(called),
                    // Closed since it was picked.
                    Err(back) => request = back,
                },
                Poll::Ready(false) => {}
                // Beyond the window it is dropped: the end of any call makes this one look again.
                Poll::Pending if search.pending.len() >= window => {}
                Poll::Pending => search.pending.push(Pending {
                    slot: Arc::clone(slot),
                    instance,
                    index,
                }),
            }
        }
        search.unfinished = true;
        Err(request)
    }

    /// Makes an instance ready; `false` when it cannot be.
    fn poll_instance<Req>(
        &self,
        slot: &Slot<S, St>,
        instance: &mut Instance<S>,
        cx: &mut Context<'_>,
    ) -> Poll<bool>
    where
        S: Service<Req>,
    {
        match instance.service.poll_ready(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                slot.was_ready();
                Poll::Ready(true)
            }
            Poll::Ready(Err(_)) => {
                self.dead(slot);
                Poll::Ready(false)
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
        let lane = slot.lane();
        let Some(follow) = Follow::begin(&lane.handle, self.now, cost, context) else {
            return Err(request);
        };
        // Before the call, which may panic.
        let completion = Completion::new(follow);
        completion.observer().tell();
        let future = instance.service.call(request);
        slot.put_back(lane, instance);
        Ok(Called { future, completion })
    }

    #[cold]
    fn dead(&self, slot: &Slot<S, St>) {
        if let Some(pause) = slot.was_dead(&self.shared.config, self.now) {
            tracing::warn!(
                endpoint = slot.member.endpoint.key(),
                ?pause,
                "an endpoint could not be made ready"
            );
        }
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
        self.wait(&members, now, cx)
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
        self.sleep_until(reopens.map_or(limit, |at| at.min(limit)), now, cx)
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

/// A seed for other random numbers than those that `rng` goes on with.
fn fork(rng: &mut u64) -> u64 {
    let mut numbers = fastrand::Rng::with_seed(*rng);
    let seed = numbers.u64(..);
    *rng = numbers.get_seed();
    seed
}
