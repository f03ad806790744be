use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use serde::Serialize;
use tower_service::Service;

use super::{Delay, HedgeConfig, HedgeFuture, Signal, Unit, future::Call, state::Learned};
use crate::{
    budget::{Budget, BudgetSnapshot},
    context::SpareTrail,
    protocol::Protocol,
    replay::{Cloned, Replay},
    sync::{AtomicU64, Mutex, Ordering, lock},
    time::Timestamp,
};

/// A service whose slow calls are hedged; made by [`HedgeLayer`](super::HedgeLayer). See the [module](super).
// Owned types, said here once and for all: where a call is polled it would be asked of every error type anew for each
// lifetime, and an async block over a boxed error would not be `Send`.
pub struct Hedge<S: 'static, P, G, R: 'static = Cloned> {
    inner: S,
    spare: SpareTrail,
    shared: Arc<Shared<S, P, G, R>>,
}

/// What a [`Hedge`] has learned and done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HedgeSnapshot {
    /// After what time a call is hedged; `None` while too little is known.
    pub delay: Option<Duration>,
    /// Calls that were hedged.
    pub hedged: u64,
    /// Hedges that were first.
    pub won: u64,
    /// What hedges may still add.
    pub budget: BudgetSnapshot,
}

/// What all clones share.
pub(super) struct Shared<S, P, G, R> {
    pub(super) config: HedgeConfig,
    pub(super) budget: Budget,
    pub(super) protocol: P,
    pub(super) signal: G,
    pub(super) replay: R,
    when: When,
    pub(super) hedged: AtomicU64,
    pub(super) won: AtomicU64,
    /// What the services of hedges are cloned from, so that a call which needs none clones none. Never readied.
    master: Mutex<S>,
}

enum When {
    Fixed(Duration),
    // Boxed: some kilobytes.
    Learned(Box<Learned>),
}

// ===== impl Hedge =====

impl<S, P, G, R> Hedge<S, P, G, R> {
    pub(super) fn new(inner: S, shared: Shared<S, P, G, R>) -> Self {
        Self {
            inner,
            spare: SpareTrail::default(),
            shared: Arc::new(shared),
        }
    }

    /// What it has learned and done.
    #[must_use]
    pub fn snapshot(&self) -> HedgeSnapshot {
        HedgeSnapshot {
            delay: self.shared.delay(),
            hedged: self.shared.hedged.load(Ordering::Relaxed),
            won: self.shared.won.load(Ordering::Relaxed),
            budget: self.shared.budget.snapshot(),
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
        HedgeFuture::new(Arc::clone(shared), call, self.inner.call(request))
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
    pub(super) fn new(
        config: HedgeConfig,
        budget: Option<Budget>,
        protocol: P,
        signal: G,
        replay: R,
        master: S,
    ) -> Self {
        let when = match config.delay {
            Delay::Fixed { after } => When::Fixed(after),
            Delay::Learned {
                percentile,
                min_samples,
                window,
                floor,
            } => When::Learned(Box::new(Learned::new(
                percentile,
                min_samples,
                window,
                floor,
            ))),
        };
        Self {
            budget: budget.unwrap_or_else(|| Budget::new(config.budget())),
            config,
            protocol,
            signal,
            replay,
            when,
            hedged: AtomicU64::new(0),
            won: AtomicU64::new(0),
            master: Mutex::new(master),
        }
    }

    /// After what time a call is hedged, if that is known.
    pub(super) fn delay(&self) -> Option<Duration> {
        match &self.when {
            When::Fixed(after) => Some(*after),
            When::Learned(learned) => learned.delay(),
        }
    }

    /// When a call first has to wait, if anything is to be learned of it.
    pub(super) fn begin(&self) -> Timestamp {
        match &self.when {
            When::Fixed(_) => Timestamp::ZERO,
            When::Learned(_) => Timestamp::now(),
        }
    }

    /// A call that first had to wait at `begun`, or not at all, has its first data.
    #[inline]
    pub(super) fn learn(&self, begun: Option<Timestamp>) {
        let When::Learned(learned) = &self.when else {
            return;
        };
        match begun {
            None => learned.record_at_once(),
            Some(begun) => {
                let now = Timestamp::now();
                learned.record(now.since(begun), now);
            }
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
