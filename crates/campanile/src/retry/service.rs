use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{Advise, Replay, RetryConfig, RetryFuture, future::Call};
use crate::{
    budget::Budget,
    context::SpareTrail,
    lane::Lanes,
    protocol::Protocol,
    sync::{AtomicU64, Mutex, Ordering, lock},
};

/// A service whose failed calls are tried again; made by [`RetryLayer`](super::RetryLayer). See the [module](super).
// Owned types, said here once and for all: where a call is polled it would be asked of every error type anew for each
// lifetime, and an async block over a boxed error would not be `Send`.
pub struct Retry<S: 'static, P, A, R: 'static> {
    inner: S,
    spare: SpareTrail,
    shared: Arc<Lanes<Shared<S, P, A, R>>>,
}

/// What all clones share.
pub(super) struct Shared<S, P, A, R> {
    pub(super) config: RetryConfig,
    pub(super) budget: Option<Budget>,
    pub(super) protocol: P,
    pub(super) advice: A,
    pub(super) replay: R,
    /// What the services of retries are cloned from, so that a call which needs none clones none. Never readied.
    master: Mutex<S>,
    seed: AtomicU64,
}

// ===== impl Retry =====

impl<S: Clone, P, A, R> Retry<S, P, A, R> {
    pub(super) fn new(inner: S, shared: impl FnOnce(S) -> Shared<S, P, A, R>) -> Self {
        let master = inner.clone();
        Self {
            inner,
            spare: SpareTrail::default(),
            shared: Arc::new(Lanes::new(Arc::new(shared(master)))),
        }
    }
}

impl<S, P, A, R> Retry<S, P, A, R> {
    /// The budget, if retries are bound by one.
    #[must_use]
    pub fn budget(&self) -> Option<&Budget> {
        self.shared.budget.as_ref()
    }

    /// The service within.
    pub const fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S, P, A, R, Req> Service<Req> for Retry<S, P, A, R>
where
    S: Service<R::Request> + Clone,
    P: Protocol<R::Request, S::Response, S::Error>,
    A: Advise<S::Response, S::Error>,
    R: Replay<Req>,
    Req: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RetryFuture<S, P, A, R, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, request: Req) -> Self::Future {
        // Counted first: a locked operation waits for all that was written before it, and requests are copied here.
        let shared = self.shared.share();
        let (mut request, kept) = shared.replay.keep(request);
        let mut trail = None;
        let keep = shared.config.trail;
        if keep.applies(|| shared.protocol.context(&request).is_some())
            && let Some(context) = shared.protocol.context_mut(&mut request)
        {
            let attempts = shared.config.attempts;
            match &context.trail {
                // Kept with the request already: not counted twice.
                Some(carried) if shared.replay.kept(&kept).is_some() => {
                    if let Some(attempts) = attempts {
                        carried.limit(attempts);
                    }
                }
                _ => trail = Some(self.spare.lend(context, attempts)),
            }
        }
        let context = shared.protocol.context(&request);
        let (deadline, first) =
            context.map_or((None, 0), |context| (context.deadline, context.attempt));
        let future = self.inner.call(request);
        RetryFuture::new(shared, Call::new(kept, trail, deadline, first), future)
    }
}

impl<S: Clone, P, A, R> Clone for Retry<S, P, A, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            spare: self.spare.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S: fmt::Debug, P, A, R> fmt::Debug for Retry<S, P, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner)
            .field("config", &self.shared.config)
            .field("budget", &self.shared.budget)
            .finish_non_exhaustive()
    }
}

// ===== impl Shared =====

impl<S, P, A, R> Shared<S, P, A, R> {
    pub(super) fn new(
        config: RetryConfig,
        budget: Option<Budget>,
        protocol: P,
        advice: A,
        replay: R,
        master: S,
    ) -> Self {
        let budget = budget.or_else(|| config.budget.map(Budget::new));
        let seed = config.seed.unwrap_or_else(|| fastrand::u64(..));
        Self {
            config,
            budget,
            protocol,
            advice,
            replay,
            master: Mutex::new(master),
            seed: AtomicU64::new(seed),
        }
    }

    /// A service for a retry, yet to be readied.
    pub(super) fn instance(&self) -> S
    where
        S: Clone,
    {
        lock(&self.master).clone()
    }

    /// From 0 to 1.
    pub(super) fn random(&self) -> f64 {
        // Steps of the golden ratio, so that neighbours do not draw alike.
        let seed = self
            .seed
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        fastrand::Rng::with_seed(seed).f64()
    }
}
