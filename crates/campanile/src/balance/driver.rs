use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use foldhash::fast::RandomState;
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower::discover::{Change, Discover};

use super::{
    members::{Members, Shared},
    slot::{Member, Slot},
    strategy::Strategy,
};
use crate::{
    BoxError,
    discover::Key,
    endpoint::{Arena, Endpoint, Listener, Reason, Weight},
    time::Timestamp,
    waiters::{Ticket, Waiters},
};

/// How many changes are taken before a snapshot is published and others may run.
const BATCH: usize = 8192;

/// How long discovery is left alone after an error.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

pin_project! {
    /// The background task of a pool: reads discovery, publishes members, drops the services of those that left.
    ///
    /// [`BalanceLayer`](super::BalanceLayer) spawns it; [`Balance::pair`](super::Balance::pair) hands it out. It ends
    /// when the last clone of its pool is dropped. When discovery ends the members stay as they are; when it errs,
    /// too, and it is read again after a second.
    #[must_use = "a pool has no members while its driver does not run"]
    pub struct Driver<D, K, S, St: Strategy> {
        #[pin]
        discover: D,
        ended: bool,
        pause: Option<Pin<Box<Sleep>>>,
        shared: Weak<Shared<S, St>>,
        table: Table<K, S, St>,
        listener: Listener,
        ticket: Ticket,
    }

    impl<D, K, S, St: Strategy> PinnedDrop for Driver<D, K, S, St> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.listener.leaving.deregister(this.ticket);
            for slot in this.table.order.values().chain(this.table.leaving.values().flatten()) {
                slot.member.endpoint.unlisten(&this.listener.waiters);
            }
            if std::thread::panicking() {
                tracing::error!("the driver of a pool panicked; its members stay as they are");
            }
        }
    }
}

type Slots<S, St> = Vec<Arc<Slot<S, St>>>;

/// The members as discovery has told them.
struct Table<K, S, St: Strategy> {
    /// For endpoints whose keys are no endpoints themselves.
    arena: Arc<Arena>,
    strategy: Arc<St>,
    crowd: Arc<Waiters>,
    listener: Listener,
    places: HashMap<K, Place, RandomState>,
    order: BTreeMap<Place, Arc<Slot<S, St>>>,
    /// Those that left with calls in flight, by key.
    leaving: HashMap<Box<str>, Slots<S, St>, RandomState>,
    /// The members are others than those published.
    changed: bool,
    /// A member has another service than before.
    replaced: bool,
    version: u64,
    /// Earlier snapshots that somebody still holds. The driver drops them, so that no call does.
    held: Vec<Arc<Members<S, St>>>,
}

/// The order of members: by arena, then by slot.
type Place = (usize, u32);

// ===== impl Driver =====

impl<D, S, St> Driver<D, D::Key, S, St>
where
    D: Discover<Service = S>,
    D::Key: Key,
    St: Strategy,
{
    pub(super) fn new(discover: D, shared: &Arc<Shared<S, St>>) -> Self {
        Self {
            discover,
            ended: false,
            pause: None,
            table: Table {
                arena: Arena::new(),
                strategy: Arc::clone(&shared.strategy),
                crowd: Arc::clone(&shared.crowd),
                listener: shared.listener.clone(),
                places: HashMap::default(),
                order: BTreeMap::new(),
                leaving: HashMap::default(),
                changed: false,
                replaced: false,
                version: 0,
                held: Vec::new(),
            },
            listener: shared.listener.clone(),
            shared: Arc::downgrade(shared),
            ticket: Ticket::default(),
        }
    }
}

impl<D, S, St> Future for Driver<D, D::Key, S, St>
where
    D: Discover<Service = S>,
    D::Key: Key,
    D::Error: Into<BoxError>,
    St: Strategy,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        this.listener.leaving.register(this.ticket, cx.waker());
        let Some(shared) = this.shared.upgrade() else {
            return Poll::Ready(());
        };
        let mut taken = 0;
        let now = Timestamp::now();
        while !*this.ended && taken < BATCH {
            if let Some(pause) = this.pause {
                if pause.as_mut().poll(cx).is_pending() {
                    break;
                }
                *this.pause = None;
            }
            let discover = this.discover.as_mut();
            // A function that builds services may panic; the members that there are must not suffer for it.
            let polled = panic::catch_unwind(AssertUnwindSafe(|| discover.poll_discover(cx)));
            let Ok(polled) = polled else {
                tracing::error!("discovery panicked; the members stay as they are");
                *this.pause = Some(Box::pin(tokio::time::sleep(ERROR_PAUSE)));
                continue;
            };
            match polled {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(Change::Insert(key, service)))) => {
                    this.table.insert(key, service, now)
                }
                Poll::Ready(Some(Ok(Change::Remove(key)))) => this.table.remove(&key),
                Poll::Ready(Some(Err(error))) => {
                    let error: BoxError = error.into();
                    tracing::warn!(%error, "discovery failed; the members stay as they are");
                    *this.pause = Some(Box::pin(tokio::time::sleep(ERROR_PAUSE)));
                }
                Poll::Ready(None) => {
                    tracing::debug!("discovery ended; the members stay as they are");
                    *this.ended = true;
                }
            }
            taken += 1;
        }
        if taken == BATCH {
            cx.waker().wake_by_ref();
        }
        this.table.publish(&shared);
        this.table.bury();
        drop(shared);
        // The last clone may have gone while the driver held the pool up; nobody else would wake it then.
        if this.shared.strong_count() == 0 {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl<D, K, S, St: Strategy> fmt::Debug for Driver<D, K, S, St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("members", &self.table.order.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

// ===== impl Table =====

impl<K: Key, S, St: Strategy> Table<K, S, St> {
    fn insert(&mut self, key: K, service: S, now: Timestamp) {
        if let Some(known) = self
            .places
            .get(&key)
            .and_then(|place| self.order.get(place))
        {
            if key
                .endpoint()
                .is_none_or(|endpoint| endpoint.is(&known.member.endpoint))
            {
                // The same endpoint: it keeps its measurements and gets the new service.
                known.replace(service);
                self.replaced = true;
                return;
            }
            // Another endpoint of the same key.
            self.remove(&key);
        }
        let slot = match self.returning(&key) {
            Some(slot) => {
                slot.replace(service);
                slot.member.endpoint.gate().open(Reason::Removed);
                slot
            }
            None => self.join(&key, service, now),
        };
        let place = slot.member.endpoint.cell_ref().place();
        self.places.insert(key, place);
        self.order.insert(place, slot);
        self.changed = true;
    }

    fn join(&self, key: &K, service: S, now: Timestamp) -> Arc<Slot<S, St>> {
        let endpoint = key.endpoint().cloned().unwrap_or_else(|| {
            Endpoint::assemble(
                Arena::allot(&self.arena),
                key.to_string().into(),
                Weight::ONE,
                BTreeMap::new(),
            )
        });
        // Another pool, or this one, may have let it go before.
        endpoint.gate().open(Reason::Removed);
        endpoint.listen(self.listener.clone());
        let member = Arc::new(Member {
            state: St::State::default(),
            strategy: Arc::clone(&self.strategy),
            joined: now,
            crowd: Arc::clone(&self.crowd),
            endpoint,
        });
        self.strategy.join(member.peer(), now);
        Arc::new(Slot::new(member, service))
    }

    /// The member of this key that left with calls in flight, if it is the same endpoint.
    fn returning(&mut self, key: &K) -> Option<Arc<Slot<S, St>>> {
        if self.leaving.is_empty() {
            return None;
        }
        let left = self.leaving.get_mut(&*key.to_string())?;
        let index = left.iter().position(|slot| {
            key.endpoint()
                .is_none_or(|endpoint| endpoint.is(&slot.member.endpoint))
        })?;
        Some(left.swap_remove(index))
    }

    fn remove(&mut self, key: &K) {
        let Some(slot) = self
            .places
            .remove(key)
            .and_then(|place| self.order.remove(&place))
        else {
            return;
        };
        slot.member.endpoint.gate().close(Reason::Removed);
        self.leaving
            .entry(slot.member.endpoint.key().into())
            .or_default()
            .push(slot);
        self.changed = true;
    }
}

impl<K, S, St: Strategy> Table<K, S, St> {
    fn publish(&mut self, shared: &Shared<S, St>) {
        let replaced = std::mem::take(&mut self.replaced);
        if !std::mem::take(&mut self.changed) {
            if replaced {
                shared.listener.waiters.wake_all();
            }
            return;
        }
        self.version += 1;
        let slots = self.order.values().cloned().collect();
        let old = shared.members.swap(Arc::new(Members::new(
            slots,
            self.version,
            &shared.listener.weights,
        )));
        self.held.retain(|held| Arc::strong_count(held) > 1);
        self.held.push(old);
        shared.listener.waiters.wake_all();
        tracing::debug!(
            members = self.order.len(),
            version = self.version,
            "members changed"
        );
    }

    /// Drops the services of those whose last call has ended.
    fn bury(&mut self) {
        let listener = &self.listener;
        self.leaving.retain(|_, left| {
            left.retain(|slot| {
                let endpoint = &slot.member.endpoint;
                if endpoint.in_flight() > 0 {
                    return true;
                }
                slot.retire();
                endpoint.unlisten(&listener.waiters);
                false
            });
            !left.is_empty()
        });
    }
}
