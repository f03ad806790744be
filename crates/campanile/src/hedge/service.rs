use std::{
    fmt,
    ops::Deref,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{HedgeFuture, HedgeHandle, HedgeSnapshot, Signal, Unit, future::Call, handle::Core};
use crate::{
    budget::Budget,
    context::SpareTrail,
    lane::Lanes,
    protocol::Protocol,
    replay::{Cloned, Replay},
    sync::{Mutex, lock},
};

/// A service whose slow calls are hedged; made by [`HedgeLayer`](super::HedgeLayer). See the [module](super).
// Owned types, said here once and for all: where a call is polled it would be asked of every error type anew for each
// lifetime, and an async block over a boxed error would not be `Send`.
pub struct Hedge<S: 'static, P, G, R: 'static = Cloned> {
    inner: S,
    spare: SpareTrail,
    shared: Arc<Lanes<Shared<S, P, G, R>>>,
}

/// What all clones share.
pub(super) struct Shared<S, P, G, R> {
    core: Arc<Core>,
    pub(super) protocol: P,
    pub(super) signal: G,
    pub(super) replay: R,
    /// What the services of hedges are cloned from, so that a call which needs none clones none. Never readied.
    master: Mutex<S>,
}

// ===== impl Hedge =====

impl<S, P, G, R> Hedge<S, P, G, R> {
    pub(super) fn new(inner: S, shared: Shared<S, P, G, R>) -> Self {
        Self {
            inner,
            spare: SpareTrail::default(),
            shared: Arc::new(Lanes::new(Arc::new(shared))),
        }
    }

    /// What it has learned and done.
    #[must_use]
    pub fn snapshot(&self) -> HedgeSnapshot {
        self.handle().snapshot()
    }

    /// What it has learned and done, to look at, without the service.
    #[must_use]
    pub fn handle(&self) -> HedgeHandle {
        HedgeHandle {
            core: Arc::clone(&self.shared.core),
        }
    }

    /// The budget of hedges.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.shared.budget
    }

    /// The service within.
    pub const fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S, P, G, R, Req> Service<Req> for Hedge<S, P, G, R>
where
    S: Service<R::Request> + Clone,
    P: Protocol<R::Request, S::Response, S::Error>,
    G: Signal<S::Response>,
    R: Replay<Req>,
    Req: 'static,
{
    type Response = G::Response;
    type Error = S::Error;
    type Future = HedgeFuture<S, P, G, R, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let shared = &self.shared;
        let (mut request, kept) = shared.replay.keep(request);
        let units = match shared.config.unit {
            Unit::Calls => 1,
            Unit::Tokens => {
                let context = shared.protocol.context(&request);
                let cost = context.and_then(|context| context.cost);
                cost.unwrap_or_else(|| shared.protocol.cost(&request))
                    .tokens
            }
        };
        shared.budget.deposit(units);
        let keep = shared.config.trail;
        let mut trail = None;
        if keep.applies(|| shared.protocol.context(&request).is_some())
            && let Some(context) = shared.protocol.context_mut(&mut request)
        {
            trail = Some(self.spare.lend(context, shared.config.attempts));
        }
        let call = Call::new(kept, trail, units);
        HedgeFuture::new(shared.share(), call, self.inner.call(request))
    }
}

impl<S: Clone, P, G, R> Clone for Hedge<S, P, G, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            spare: self.spare.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S: fmt::Debug, P, G, R> fmt::Debug for Hedge<S, P, G, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge")
            .field("inner", &self.inner)
            .field("config", &self.shared.config)
            .field("snapshot", &self.snapshot())
            .finish_non_exhaustive()
    }
}

// ===== impl Shared =====

impl<S, P, G, R> Shared<S, P, G, R> {
    pub(super) fn new(handle: HedgeHandle, protocol: P, signal: G, replay: R, master: S) -> Self {
        Self {
            core: handle.core,
            protocol,
            signal,
            replay,
            master: Mutex::new(master),
        }
    }

    /// A service for a hedge, yet to be readied.
    pub(super) fn instance(&self) -> S
    where
        S: Clone,
    {
        lock(&self.master).clone()
    }
}

impl<S, P, G, R> Deref for Shared<S, P, G, R> {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        &self.core
    }
}
