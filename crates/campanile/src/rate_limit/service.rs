use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::Sleep;
use tower_service::Service;

use super::{
    Advise, KeyOf, RateLimitHandle, ResponseFuture,
    buckets::{Place, Store},
    gates::Watch,
    held::Held,
    limiter::{Limiter, Queued, Verdict},
    settle::{Calling, Settle},
    state::Amounts,
    wait::Wait,
};
use crate::{
    endpoint::Endpoint, lane::Lanes, protocol::Protocol, rejection::Rejection, time::Timestamp,
    waiters::Ticket,
};

/// A service that is limited in how much it is asked for. See the [module](super).
// The service is owned, which is said here once and for all: the impls below need no bound for it, which would keep
// async blocks over boxed errors from being `Send`.
pub struct RateLimit<S: 'static, P, B: Store, F, A> {
    inner: S,
    limiter: Arc<Lanes<Limiter<B>>>,
    protocol: P,
    key: F,
    advise: A,
    gate: Option<Arc<Watch<B>>>,
    /// Boxed, since an instance waits only while its gate is closed.
    unready: Option<Box<Unready<B>>>,
}

/// An instance whose `poll_ready` waits.
struct Unready<B: Store> {
    limiter: Arc<Limiter<B>>,
    ticket: Ticket,
    sleep: Pin<Box<Sleep>>,
}

// ===== impl RateLimit =====

impl<S, P, B: Store, F, A> RateLimit<S, P, B, F, A> {
    pub(super) fn new(
        inner: S,
        limiter: Arc<Limiter<B>>,
        protocol: P,
        key: F,
        advise: A,
        gate: Option<Endpoint>,
    ) -> Self {
        let gate = gate.map(|endpoint| Arc::new(Watch::new(Arc::clone(&limiter), endpoint)));
        Self {
            inner,
            limiter: Arc::new(Lanes::new(limiter)),
            protocol,
            key,
            advise,
            gate,
            unready: None,
        }
    }

    /// What an operator sees and moves.
    #[must_use]
    pub fn handle(&self) -> RateLimitHandle<B> {
        RateLimitHandle::of(Arc::clone(self.limiter.shared()))
    }

    /// The service that is limited.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Waits until the least call would be admitted.
    #[cold]
    fn poll_quota(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Timestamp::now();
        let limiter = self.limiter.shared();
        let unready = self.unready.get_or_insert_with(|| {
            Box::new(Unready {
                limiter: Arc::clone(limiter),
                ticket: Ticket::default(),
                sleep: Box::pin(tokio::time::sleep_until(now.to_instant(now))),
            })
        });
        let waiters = &limiter.gates.waiters;
        waiters.register(&mut unready.ticket, cx.waker());
        let next = limiter.next_call(now);
        if next > now {
            unready.sleep.as_mut().reset(next.to_instant(now));
            if unready.sleep.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        self.unready = None;
        // The gate is open by now; what marks it as closed goes too.
        self.limiter.settled();
        Poll::Ready(())
    }
}

impl<S, P, B, F, A, Req> Service<Req> for RateLimit<S, P, B, F, A>
where
    S: Service<Req> + Clone,
    S::Error: From<Rejection>,
    P: Protocol<Req, S::Response, S::Error>,
    B: Store,
    F: KeyOf<Req, B::Key>,
    A: Advise<S::Response>,
    Req: 'static,
{
    type Response = P::Response<Settle<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, P, B, A, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.gate.is_some() && self.limiter.gates.is_closed() && self.poll_quota(cx).is_pending()
        {
            return Poll::Pending;
        }
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, request: Req) -> Self::Future {
        let now = Timestamp::now();
        let context = self.protocol.context(&request);
        let cost = context
            .and_then(|context| context.cost)
            .unwrap_or_else(|| self.protocol.cost(&request));
        let key = self.key.key(&request, context);
        let cost = self.limiter.parts(&cost);
        let place = match self.limiter.take(&key, &cost, now) {
            Some(place) => place,
            // What this makes is small, so that the future of a call which finds enough is made where it is to lie.
            None => match self.turn_away(&request, &key, &cost, now) {
                Verdict::Admitted(place) => place,
                Verdict::Refused(rejection) => {
                    let (protocol, advise) = (self.protocol.clone(), self.advise.clone());
                    return ResponseFuture::refused(rejection, protocol, advise);
                }
                Verdict::Waits(queued) => {
                    let wait = self.wait(request, key, queued);
                    let (protocol, advise) = (self.protocol.clone(), self.advise.clone());
                    return ResponseFuture::waiting(wait, protocol, advise);
                }
            },
        };
        self.start(request, key, place, cost, now)
    }
}

impl<S, P, B: Store, F, A> RateLimit<S, P, B, F, A> {
    #[inline(always)]
    fn start<Req>(
        &mut self,
        request: Req,
        key: B::Key,
        place: Place,
        cost: Amounts,
        now: Timestamp,
    ) -> ResponseFuture<S, P, B, A, Req>
    where
        S: Service<Req>,
        P: Clone,
        A: Clone,
    {
        // All that can panic comes before the call, so that its future is made where it is to lie.
        let (protocol, advise) = (self.protocol.clone(), self.advise.clone());
        let share = self.limiter.share();
        let calling = Calling {
            limiter: &self.limiter,
            key: &key,
            place,
            reserved: &cost,
        };
        let future = self.inner.call(request);
        mem::forget(calling);
        let held = Held::new(share, key, place, cost, now);
        ResponseFuture::calling(future, held, protocol, advise)
    }

    /// What becomes of a call that did not find enough.
    #[cold]
    #[inline(never)]
    fn turn_away<Req>(&self, request: &Req, key: &B::Key, cost: &Amounts, now: Timestamp) -> Verdict
    where
        S: Service<Req>,
        P: Protocol<Req, S::Response, S::Error>,
    {
        let (priority, deadline) = self
            .protocol
            .context(request)
            .map(|context| (context.priority, context.deadline))
            .unwrap_or_default();
        let deadline = deadline.map(|deadline| Timestamp::from_instant(deadline, now));
        match self.limiter.turn_away(key, cost, priority, deadline, now) {
            Verdict::Refused(rejection) => {
                Verdict::Refused(self.limiter.explain(rejection, key, cost, now))
            }
            other => other,
        }
    }

    #[cold]
    #[inline(never)]
    fn wait<Req>(&mut self, request: Req, key: B::Key, queued: Queued) -> Box<Wait<S, B, Req>>
    where
        S: Clone,
    {
        // The instance that was readied is the one that will be called.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        let limiter = self.limiter.share();
        Box::new(Wait::new(ready, request, limiter, key, queued))
    }
}

impl<S, P, B, F, A> Clone for RateLimit<S, P, B, F, A>
where
    S: Clone,
    P: Clone,
    B: Store,
    F: Clone,
    A: Clone,
{
    /// A clone that waits for nothing.
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            limiter: Arc::clone(&self.limiter),
            protocol: self.protocol.clone(),
            key: self.key.clone(),
            advise: self.advise.clone(),
            gate: self.gate.clone(),
            unready: None,
        }
    }
}

impl<S: fmt::Debug, P, B: Store + fmt::Debug, F, A> fmt::Debug for RateLimit<S, P, B, F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("inner", &self.inner)
            .field("limiter", &self.limiter)
            .finish_non_exhaustive()
    }
}

// ===== impl Unready =====

impl<B: Store> Drop for Unready<B> {
    fn drop(&mut self) {
        self.limiter.gates.waiters.deregister(&mut self.ticket);
    }
}
