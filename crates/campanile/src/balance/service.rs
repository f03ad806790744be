use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::AtomicU64},
    task::{Context, Poll},
};

use arc_swap::{ArcSwap, Cache};
use tokio::time::Sleep;
use tower::discover::Discover;
use tower_service::Service;

use super::{
    BalanceConfig, Driver, Follow, Pick, PoolSnapshot, ResponseFuture, Strategy,
    attempt::Attempt,
    members::{Members, Shared},
};
use crate::{
    discover::Key, endpoint::Listener, protocol::Protocol, rejection::Rejection, time::Timestamp,
    waiters::Ticket,
};

/// The latest snapshot, looked up once for each that is published.
type Cached<T> = Cache<Arc<ArcSwap<T>>, Arc<T>>;

/// A pool. Cheap to clone; all clones share one state. See the [module](super).
// The services are owned, which is said here once and for all: the impls below need no bound for it, which would keep
// async blocks over boxed errors from being `Send`.
pub struct Balance<S: 'static, St: Strategy, P> {
    shared: Arc<Shared<S, St>>,
    members: Cached<Members<S, St>>,
    protocol: P,
    rng: u64,
    /// A member that was open lately: the first to look at.
    open: usize,
    /// Boxed, since a clone waits only while every gate is closed.
    waiting: Option<Box<Waiting>>,
}

/// A clone that waits for a gate to open.
struct Waiting {
    ticket: Ticket,
    waiters: Arc<crate::waiters::Waiters>,
    until: Timestamp,
    sleep: Pin<Box<Sleep>>,
}

// ===== impl Balance =====

impl<S, St: Strategy, P> Balance<S, St, P> {
    /// A pool and its driver, for those who spawn it themselves. `strategy` may be an [`Arc`].
    pub fn pair<D>(
        discover: D,
        strategy: impl Into<Arc<St>>,
        protocol: P,
        config: BalanceConfig,
    ) -> (Self, Driver<D, D::Key, S, St>)
    where
        D: Discover<Service = S>,
        D::Key: Key,
    {
        let members = Arc::new(ArcSwap::from_pointee(Members::new(
            Box::default(),
            0,
            &AtomicU64::new(0),
        )));
        let config = BalanceConfig {
            window: config.window.max(1),
            ..config
        };
        let seed = config.seed.unwrap_or_else(|| fastrand::u64(..));
        let shared = Arc::new(Shared {
            members: Arc::clone(&members),
            strategy: strategy.into(),
            config,
            listener: Listener::default(),
            crowd: Arc::default(),
            seed: AtomicU64::new(seed),
        });
        let driver = Driver::new(discover, &shared);
        let rng = shared.next_seed();
        let balance = Self {
            shared,
            members: Cache::new(members),
            protocol,
            rng,
            open: 0,
            waiting: None,
        };
        (balance, driver)
    }

    /// Everything that is known of the members.
    #[must_use]
    pub fn snapshot(&self) -> PoolSnapshot {
        PoolSnapshot::of(&self.shared.members.load(), Timestamp::now())
    }

    /// How many members the pool has, closed ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.members.load().len()
    }

    /// Whether the pool has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The member that a call with this request would go to now, by its place in [`snapshot`](Self::snapshot). Nothing
    /// is called or counted; strategies that take turns take one.
    pub fn pick<Req>(&mut self, request: &Req) -> Option<usize>
    where
        S: Service<Req>,
        St: Pick<Req>,
        P: Protocol<Req, S::Response, S::Error>,
    {
        let attempt = Attempt {
            shared: &self.shared,
            members: self.members.load(),
            protocol: &self.protocol,
            now: Timestamp::now(),
        };
        attempt.pick(request, &mut self.rng)
    }

    /// Whether the member that was open lately still is.
    #[inline(always)]
    fn still_open(&mut self) -> bool {
        let open = self.open;
        let members = self.members.load();
        open < members.len() && !members.cell(open).is_closed()
    }

    /// Looks for an open member.
    #[cold]
    fn find_open(&mut self) -> bool {
        let members = self.members.load();
        let len = members.len();
        let first = if self.open < len { self.open } else { 0 };
        let mut clock = None;
        for index in (first..len).chain(0..first) {
            if members.is_open(index, || *clock.get_or_insert_with(Timestamp::now)) {
                self.open = index;
                return true;
            }
        }
        false
    }

    /// Waits for a gate, for discovery, or for the end of patience.
    #[cold]
    fn poll_gates(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Timestamp::now();
        let patience = self.shared.config.patience;
        if patience.is_zero() {
            return Poll::Ready(());
        }
        let waiters = Arc::clone(&self.shared.listener.waiters);
        let waiting = self.waiting.get_or_insert_with(|| {
            Box::new(Waiting {
                ticket: Ticket::default(),
                waiters,
                until: now.after(patience),
                sleep: Box::pin(tokio::time::sleep(patience)),
            })
        });
        waiting.waiters.register(&mut waiting.ticket, cx.waker());
        let until = waiting.until;
        if self.find_open() || now >= until {
            return Poll::Ready(());
        }
        let reopening = self.members.load().reopening(now);
        let reopens = reopening.earliest;
        if !reopening.any_time && reopens.is_some_and(|at| at > until) {
            // Nobody can open in time: `call` refuses, and says when to come back.
            return Poll::Ready(());
        }
        let wake = [reopens, reopening.latest]
            .into_iter()
            .flatten()
            .fold(until, Ord::min);
        if let Some(waiting) = &mut self.waiting {
            waiting.sleep.as_mut().reset(wake.to_instant(now));
            if waiting.sleep.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}

impl<S, St: Strategy> Shared<S, St> {
    /// A seed for another clone's random numbers.
    pub(super) fn next_seed(&self) -> u64 {
        // Steps of the golden ratio, so that neighbouring clones do not draw alike.
        self.seed
            .fetch_add(0x9E37_79B9_7F4A_7C15, std::sync::atomic::Ordering::Relaxed)
    }
}

impl<S, St, P, Req> Service<Req> for Balance<S, St, P>
where
    S: Service<Req> + Clone,
    S::Error: From<Rejection>,
    St: Pick<Req>,
    P: Protocol<Req, S::Response, S::Error>,
    Req: 'static,
{
    type Response = P::Response<Follow<St>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, St, P, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.still_open() || self.find_open() {
            if self.waiting.is_some() {
                self.waiting = None;
            }
            return Poll::Ready(Ok(()));
        }
        self.poll_gates(cx).map(Ok)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let now = Timestamp::now();
        // Patience that was spent in `poll_ready` is not spent again, unless that was long ago.
        let patience = self.shared.config.patience;
        let until = self
            .waiting
            .take()
            .map(|waiting| waiting.until)
            .filter(|until| now < until.after(patience));
        let attempt = Attempt {
            shared: &self.shared,
            members: self.members.load(),
            protocol: &self.protocol,
            now,
        };
        attempt.begin(request, &mut self.rng, until)
    }
}

impl<S, St: Strategy, P: Clone> Clone for Balance<S, St, P> {
    /// A clone that waits for nothing.
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            members: self.members.clone(),
            protocol: self.protocol.clone(),
            rng: self.shared.next_seed(),
            open: self.open,
            waiting: None,
        }
    }
}

impl<S, St: Strategy, P> fmt::Debug for Balance<S, St, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balance")
            .field("members", &self.len())
            .field("strategy", &self.shared.strategy)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "testing"))]
impl<S, St: Strategy, P> Balance<S, St, P> {
    /// How many wait for gates and discovery, and how many for any call to end.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.shared.listener.waiters.len(), self.shared.crowd.len())
    }
}

// ===== impl Waiting =====

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waiters.deregister(&mut self.ticket);
    }
}
