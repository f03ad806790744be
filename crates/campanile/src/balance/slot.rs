//! A member of a pool, and its service.

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crossbeam_utils::{CachePadded, atomic::AtomicCell};

use super::{
    BalanceConfig,
    strategy::{Peer, Strategy},
};
use crate::{
    endpoint::{Endpoint, Reason},
    lane::{LANES, lane},
    time::Timestamp,
    waiters::Waiters,
};

/// Made at its first use, in cache lines of its own.
type Lazy<T> = OnceLock<Box<CachePadded<T>>>;

/// A member and its service.
pub(super) struct Slot<S, St: Strategy> {
    /// Made when its thread first calls the member.
    lanes: [Lazy<Lane<S, St>>; LANES],
    pub(super) member: Arc<Member<St>>,
    generation: AtomicU32,
    failures: AtomicU32,
    /// What clones are made of; `None` once the member has left. A mutex, since a service need not be `Sync`.
    template: Mutex<Option<S>>,
}

/// What a thread has of its own at a member, so that threads do not write each other's cache lines.
pub(super) struct Lane<S, St: Strategy> {
    /// A clone of the service that nobody uses at the moment.
    idle: AtomicCell<Option<Box<Instance<S>>>>,
    /// Keeps the member alive for a call.
    pub(super) handle: Handle<St>,
}

/// Keeps a member alive. Counted apart from the handles of other threads.
pub(super) struct Handle<St: Strategy>(Arc<Held<St>>);

/// The count lies in front of it, in the same line, and no other thread's handle in that line or the next.
struct Held<St: Strategy> {
    member: Arc<Member<St>>,
    _apart: [u64; 13],
}

/// A clone of a member's service. Boxed once, then handed back and forth.
pub(super) struct Instance<S> {
    pub(super) service: S,
    generation: u32,
}

/// A member, without its service: what a call holds on to.
pub(super) struct Member<St: Strategy> {
    pub(super) endpoint: Endpoint,
    pub(super) state: St::State,
    pub(super) strategy: Arc<St>,
    pub(super) joined: Timestamp,
    pub(super) crowd: Arc<Waiters>,
}

// ===== impl Slot =====

impl<S, St: Strategy> Slot<S, St> {
    pub(super) fn new(member: Arc<Member<St>>, service: S) -> Self {
        Self {
            lanes: Default::default(),
            member,
            generation: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            template: Mutex::new(Some(service)),
        }
    }

    /// The calling thread's lane.
    #[inline(always)]
    pub(super) fn lane(&self) -> &Lane<S, St> {
        match self.lanes[lane()].get() {
            Some(lane) => lane,
            None => self.make_lane(),
        }
    }

    #[cold]
    fn make_lane(&self) -> &Lane<S, St> {
        self.lanes[lane()].get_or_init(|| {
            Box::new(CachePadded::new(Lane {
                idle: AtomicCell::new(None),
                handle: Handle(Arc::new(Held {
                    member: Arc::clone(&self.member),
                    _apart: [0; 13],
                })),
            }))
        })
    }

    /// An instance to make ready and call; `None` once the member has left.
    #[inline(always)]
    pub(super) fn take(&self, lane: &Lane<S, St>) -> Option<Box<Instance<S>>>
    where
        S: Clone,
    {
        match lane.idle.take() {
            Some(idle) if self.is_current(&idle) => Some(idle),
            _ => self.make(),
        }
    }

    #[cold]
    fn make(&self) -> Option<Box<Instance<S>>>
    where
        S: Clone,
    {
        let template = lock(&self.template);
        Some(Box::new(Instance {
            service: template.as_ref()?.clone(),
            generation: self.generation.load(Ordering::Acquire),
        }))
    }

    /// Takes an instance back after its call: only then does it hold no reservation.
    #[inline(always)]
    pub(super) fn put_back(&self, lane: &Lane<S, St>, instance: Box<Instance<S>>) {
        let generation = instance.generation;
        lane.idle.store(Some(instance));
        // The service may have been replaced or dropped since the instance was made; whoever did it may have looked
        // before the store above.
        if generation != self.generation.load(Ordering::SeqCst) {
            self.discard();
        }
    }

    #[cold]
    fn discard(&self) {
        for lane in self.lanes.iter().filter_map(OnceLock::get) {
            drop(lane.idle.take());
        }
    }

    /// Whether an instance is of the present service.
    #[inline(always)]
    pub(super) fn is_current(&self, instance: &Instance<S>) -> bool {
        instance.generation == self.generation.load(Ordering::Acquire)
    }

    /// Puts another service in place; calls in flight go on with the old one.
    pub(super) fn replace(&self, service: S) {
        let old = lock(&self.template).replace(service);
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.discard();
        self.failures.store(0, Ordering::Relaxed);
        self.member.endpoint.gate().open(Reason::Readiness);
        drop(old);
    }

    /// Drops the service.
    pub(super) fn retire(&self) {
        let old = lock(&self.template).take();
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.discard();
        drop(old);
    }

    /// `poll_ready` of an instance succeeded.
    #[inline(always)]
    pub(super) fn was_ready(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// `poll_ready` of an instance failed: leaves the endpoint alone for a while. `None` when it is left alone already:
    /// many instances that fail at once are one failure.
    #[cold]
    pub(super) fn was_dead(&self, config: &BalanceConfig, now: Timestamp) -> Option<Duration> {
        let gate = self.member.endpoint.gate();
        if gate.is_closed_for(Reason::Readiness, now) {
            return None;
        }
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).min(30);
        let pause = config
            .unready_backoff
            .saturating_mul(1 << failures)
            .min(config.unready_backoff_max);
        gate.close_until(Reason::Readiness, now.after(pause));
        Some(pause)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while the service was cloned leaves the template as it was.
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

// ===== impl Handle =====

impl<St: Strategy> Clone for Handle<St> {
    #[inline(always)]
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<St: Strategy> Deref for Handle<St> {
    type Target = Member<St>;

    #[inline(always)]
    fn deref(&self) -> &Member<St> {
        &self.0.member
    }
}

// ===== impl Member =====

impl<St: Strategy> Member<St> {
    #[inline(always)]
    pub(super) fn peer(&self) -> Peer<'_, St::State> {
        Peer {
            endpoint: &self.endpoint,
            state: &self.state,
        }
    }
}

impl<St: Strategy> fmt::Debug for Member<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("endpoint", &self.endpoint)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
