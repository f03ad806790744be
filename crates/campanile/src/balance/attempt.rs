//! From a request to a call under way: pick an endpoint, make it ready, call it.

use std::{
    cell::Cell,
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::time::Instant;
use tower_service::Service;

use super::{
    Follow, Pick, ResponseFuture, Strategy,
    future::State,
    members::{Members, Shared},
    slot::{Instance, Slot},
    strategy::{Prepare, Probed},
    view::PoolView,
    wait::Wait,
};
use crate::{
    completion::Completion, context::Context as CallContext, cost::Cost, protocol::Protocol,
    time::Timestamp, waiters::Ticket,
};

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
pub(super) struct Search<S, St: Strategy> {
    pub(super) cost: Cost,
    pub(super) pending: Vec<Pending<S, St>>,
    /// The members not to pick again in this look, by index.
    pub(super) left: Vec<u32>,
    pub(super) rng: u64,
    /// The look was given up while there was somebody left to try.
    pub(super) unfinished: bool,
}

/// An instance that was not ready; its waker is this call's.
pub(super) struct Pending<S, St: Strategy> {
    pub(super) slot: Arc<Slot<S, St>>,
    pub(super) instance: Box<Instance<S>>,
    /// Where the member stood.
    pub(super) index: usize,
}

// ===== impl Attempt =====

impl<S, St: Strategy, P> Attempt<'_, S, St, P> {
    /// Calls an endpoint at once if the first one picked is ready, and looks further otherwise.
    ///
    /// The way of almost every call: all of it is inlined here, and all else kept out.
    #[inline(always)]
    pub(super) fn begin<Req>(
        &self,
        mut request: Req,
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
        let overdue = deadline.is_some_and(|deadline| deadline <= Instant::now());
        if probes.is_none() && !overdue {
            let picked = self.shared.strategy.pick(&view, &request);
            *rng = numbers.get();
            if let Some(index) = picked {
                let slot = self.members.slot(index);
                let lane = slot.lane();
                if let Some(mut instance) = slot.take(lane) {
                    // Nobody is there to be woken yet.
                    let mut cx = Context::from_waker(Waker::noop());
                    match self.watched(slot, || instance.service.poll_ready(&mut cx)) {
                        Poll::Ready(Ok(())) => {
                            slot.was_ready();
                            if let Some(follow) =
                                Follow::begin(&lane.handle, self.now, &cost, context)
                            {
                                // Before the call, which may panic.
                                let completion = Completion::new(follow);
                                completion.observer().tell();
                                if completion.observer().explaining().is_some() {
                                    self.explain(&mut request, completion.observer());
                                }
                                let future = instance.service.call(request);
                                slot.put_back(lane, instance);
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
    pub(super) fn cost<Req>(&self, request: &Req) -> Cost
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
            reopened: &self.shared.listener.reopened,
            rng,
            context,
            cost,
            probed,
            left,
        }
    }

    /// Picks, makes ready and calls, until an endpoint takes the call or none is left to pick. Gives the request back
    /// in the latter case, and after so many tries that others should run first.
    pub(super) fn search<Req>(
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
    pub(super) fn poll_instance<Req>(
        &self,
        slot: &Slot<S, St>,
        instance: &mut Instance<S>,
        cx: &mut Context<'_>,
    ) -> Poll<bool>
    where
        S: Service<Req>,
    {
        match self.watched(slot, || instance.service.poll_ready(cx)) {
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
    pub(super) fn call<Req>(
        &self,
        slot: &Slot<S, St>,
        mut instance: Box<Instance<S>>,
        mut request: Req,
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
        if completion.observer().explaining().is_some() {
            self.explain(&mut request, completion.observer());
        }
        let future = instance.service.call(request);
        slot.put_back(lane, instance);
        Ok(Called { future, completion })
    }

    /// Runs a `poll_ready`. One that panics is one that failed: otherwise an endpoint that never gets as far as a call
    /// would look idle, and draw the next one too.
    #[inline(always)]
    fn watched<T>(&self, slot: &Slot<S, St>, poll: impl FnOnce() -> T) -> T {
        struct Watch<F: FnMut()>(F);

        impl<F: FnMut()> Drop for Watch<F> {
            fn drop(&mut self) {
                (self.0)();
            }
        }

        let watch = Watch(|| self.dead(slot));
        let polled = poll();
        mem::forget(watch);
        polled
    }

    #[cold]
    pub(super) fn dead(&self, slot: &Slot<S, St>) {
        if let Some(pause) = slot.was_dead(&self.shared.config, self.now) {
            tracing::warn!(
                endpoint = slot.member.endpoint.key(),
                ?pause,
                "an endpoint could not be made ready"
            );
        }
    }
}

/// A seed for other random numbers than those that `rng` goes on with.
fn fork(rng: &mut u64) -> u64 {
    let mut numbers = fastrand::Rng::with_seed(*rng);
    let seed = numbers.u64(..);
    *rng = numbers.get_seed();
    seed
}
