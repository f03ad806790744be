use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tower_service::Service;

use super::{
    ConcurrencyLimitHandle, LAYER, MAX_LIMIT, ResponseFuture, WhenFull, permit::Permit,
    shared::Shared, wait::Wait,
};
use crate::{
    completion::Completion,
    endpoint::Endpoint,
    lane::Lanes,
    protocol::{Guarded, Protocol},
    rejection::{Rejection, RejectionKind},
    waiters::Ticket,
};

/// A service whose calls in flight are kept to a limit. All clones share it. See the [module](super).
// The services are owned, which is said here once and for all: as a bound of the impls below it would keep async blocks
// over boxed errors from being `Send`.
pub struct ConcurrencyLimit<S: 'static, P> {
    inner: S,
    shared: Arc<Lanes<Shared>>,
    /// Of the gate, as long as there are clones. Calls do not hold it: the gate is their service's.
    hold: Option<Arc<Hold>>,
    protocol: P,
    /// Where this instance waits for room; behind a gate only.
    ticket: Ticket,
}

/// Keeps a gate in the hands of a limit, and leaves it open in the end.
#[derive(Debug)]
pub(super) struct Hold {
    shared: Arc<Shared>,
    endpoint: Endpoint,
}

// ===== impl ConcurrencyLimit =====

impl<S, P> ConcurrencyLimit<S, P> {
    pub(super) fn new(inner: S, shared: Arc<Shared>, hold: Option<Arc<Hold>>, protocol: P) -> Self {
        Self {
            inner,
            shared: Arc::new(Lanes::new(shared)),
            hold,
            protocol,
            ticket: Ticket::default(),
        }
    }

    /// Looks at the limit, and moves it.
    #[must_use]
    pub fn handle(&self) -> ConcurrencyLimitHandle {
        ConcurrencyLimitHandle::of(Arc::clone(self.shared.shared()))
    }
}

impl<S, P, Req> Service<Req> for ConcurrencyLimit<S, P>
where
    S: Service<Req> + Clone,
    S::Error: From<Rejection>,
    P: Protocol<Req, S::Response, S::Error>,
    Req: 'static,
{
    type Response = P::Response<Permit>;
    type Error = S::Error;
    type Future = ResponseFuture<S, P, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.hold.is_some() {
            ready!(self.shared.poll_room(&mut self.ticket, cx.waker()));
        }
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, request: Req) -> Self::Future {
        let units = self.units(&request);
        if self.shared.try_acquire(units) {
            // Before the call, which may panic.
            let completion = Completion::new(Permit::new(self.shared.share(), units));
            let call = self.inner.call(request);
            let protocol = self.protocol.clone();
            return ResponseFuture::called(Guarded::calling(call, completion, protocol));
        }
        // What these make is small, so that the future of a call which finds room is made where it is to lie.
        match self.shared.config().when_full {
            WhenFull::Wait => ResponseFuture::waiting(self.wait(request, units)),
            WhenFull::Refuse => {
                self.shared.count_refusal();
                let rejection = Rejection::new(RejectionKind::ConcurrencyLimited, LAYER);
                ResponseFuture::called(Guarded::refused(rejection, self.protocol.clone()))
            }
        }
    }
}

impl<S, P> ConcurrencyLimit<S, P> {
    /// How many permits a call takes.
    #[inline(always)]
    fn units<Req>(&self, request: &Req) -> u32
    where
        S: Service<Req>,
        P: Protocol<Req, S::Response, S::Error>,
    {
        if !self.shared.config().weighted {
            return 1;
        }
        let context = self.protocol.context(request);
        let cost = context
            .and_then(|context| context.cost)
            .unwrap_or_else(|| self.protocol.cost(request));
        cost.requests.clamp(1, MAX_LIMIT)
    }

    #[cold]
    #[inline(never)]
    fn wait<Req>(&mut self, request: Req, units: u32) -> Box<(Wait<S, Req>, P)>
    where
        S: Service<Req> + Clone,
        P: Protocol<Req, S::Response, S::Error>,
    {
        let protocol = self.protocol.clone();
        let (priority, deadline) = protocol
            .context(&request)
            .map(|context| (context.priority, context.deadline))
            .unwrap_or_default();
        // The readied instance waits with the call; the next call readies its own.
        let clone = self.inner.clone();
        let readied = mem::replace(&mut self.inner, clone);
        let shared = self.shared.share();
        let wait = Wait::new(shared, units, priority, readied, request, deadline);
        Box::new((wait, protocol))
    }
}

impl<S: Clone, P: Clone> Clone for ConcurrencyLimit<S, P> {
    /// A clone that waits for nothing and holds nothing.
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: Arc::clone(&self.shared),
            hold: self.hold.clone(),
            protocol: self.protocol.clone(),
            ticket: Ticket::default(),
        }
    }
}

impl<S, P> Drop for ConcurrencyLimit<S, P> {
    fn drop(&mut self) {
        self.shared.forget(&mut self.ticket);
    }
}

impl<S: fmt::Debug, P> fmt::Debug for ConcurrencyLimit<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimit")
            .field("inner", &self.inner)
            .field("limit", &self.handle())
            .finish_non_exhaustive()
    }
}

// ===== impl Hold =====

impl Hold {
    pub(super) fn new(shared: &Arc<Shared>, endpoint: &Endpoint) -> Self {
        shared.gate(endpoint);
        Self {
            shared: Arc::clone(shared),
            endpoint: endpoint.clone(),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.ungate(&self.endpoint);
    }
}
