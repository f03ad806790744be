use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use thiserror::Error;
use tower::discover::Change;

use super::Drain;
use crate::{
    endpoint::{Arena, Builder, Endpoint, EndpointSnapshot, InvalidEndpoint, Reason, Weight},
    sync::{Mutex, lock},
    time::Timestamp,
    waiters::{Ticket, Waiters},
};

/// The members of a pool, to be changed while it runs. A handle: clones are the same roster.
///
/// [`changes`](Self::changes) is the `Discover` that the pool reads. Each reader gets every member, so one roster may
/// feed several pools. The endpoints are then shared, with their gates, their counts and the number that a strategy
/// publishes of each: give such pools the same strategy, and pools that should not know of each other rosters of their
/// own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), campanile::BoxError> {
/// use campanile::{Endpoint, discover::Roster, endpoint::Weight};
/// use std::time::Duration;
///
/// let roster = Roster::new();
/// roster.insert("a", "http://a.example")?;
/// roster.insert(Endpoint::builder("b").weight(3.0).label("zone", "eu"), "http://b.example")?;
///
/// roster.set_weight("b", Weight::new(1.5)?)?;
/// roster.disable("a")?;
/// roster.enable("a")?;
/// let left = roster.drain("b", Duration::from_secs(30))?.await;
/// assert_eq!(left, 0);
/// assert_eq!(roster.len(), 1);
/// # Ok(()) }
/// ```
pub struct Roster<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    arena: Arc<Arena>,
    state: Mutex<State<T>>,
    readers: Waiters,
}

struct State<T> {
    members: HashMap<Arc<str>, Entry<T>>,
    /// What each reader has yet to be told.
    queues: HashMap<u64, VecDeque<Change<Endpoint, T>>>,
    next_reader: u64,
    /// The number of the latest drain.
    drains: u64,
    handles: usize,
}

struct Entry<T> {
    endpoint: Endpoint,
    target: T,
    /// The drain that may remove it; 0 for none.
    drain: u64,
}

/// The [`Discover`](tower::discover::Discover) of a [`Roster`]. Ends when no handle of the roster is left.
pub struct RosterChanges<T> {
    inner: Arc<Inner<T>>,
    reader: u64,
    ticket: Ticket,
}

/// The roster has no member of this key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the roster has no member {0:?}")]
pub struct UnknownMember(pub String);

// ===== impl Roster =====

impl<T> Roster<T> {
    /// A roster without members.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                arena: Arena::new(),
                state: Mutex::new(State {
                    members: HashMap::new(),
                    queues: HashMap::new(),
                    next_reader: 0,
                    drains: 0,
                    handles: 1,
                }),
                readers: Waiters::default(),
            }),
        }
    }

    /// Removes a member at once: no new calls; those in flight finish.
    ///
    /// # Errors
    ///
    /// When there is no such member.
    pub fn remove(&self, key: &str) -> Result<Endpoint, UnknownMember>
    where
        T: Clone,
    {
        let mut state = lock(&self.inner.state);
        let entry = state.members.remove(key).ok_or_else(|| unknown(key))?;
        // The pools learn of it when they next read; until then the gate keeps new calls away.
        entry.endpoint.gate().close(Reason::Draining);
        state.tell(&Change::Remove(entry.endpoint.clone()));
        drop(state);
        self.inner.readers.wake_all();
        Ok(entry.endpoint)
    }

    /// Takes a member out of service: no new calls from now on, those in flight have until `patience` is over, and the
    /// member is removed when the last one ended or the time is up. The future tells how many were still in flight;
    /// those go on, but nobody waits for them any more. Dropping the future removes the member at once. Inserting the
    /// key again calls the drain off; a later drain of the same member takes over from an earlier one.
    ///
    /// # Errors
    ///
    /// When there is no such member.
    pub fn drain(&self, key: &str, patience: Duration) -> Result<Drain<T>, UnknownMember>
    where
        T: Clone,
    {
        let mut state = lock(&self.inner.state);
        let State {
            members, drains, ..
        } = &mut *state;
        let entry = members.get_mut(key).ok_or_else(|| unknown(key))?;
        *drains += 1;
        entry.drain = *drains;
        let endpoint = entry.endpoint.clone();
        // Under the lock, so that it cannot come after the opening by a later insertion.
        endpoint.gate().close(Reason::Draining);
        let turn = entry.drain;
        drop(state);
        Ok(Drain::new(self.clone(), endpoint, turn, patience))
    }

    /// Changes a member's weight.
    ///
    /// # Errors
    ///
    /// When there is no such member.
    pub fn set_weight(&self, key: &str, weight: Weight) -> Result<(), UnknownMember> {
        self.get(key)
            .ok_or_else(|| unknown(key))
            .map(|endpoint| endpoint.set_weight(weight))
    }

    /// Switches a member off until [`enable`](Self::enable): no new calls; those in flight finish.
    ///
    /// # Errors
    ///
    /// When there is no such member.
    pub fn disable(&self, key: &str) -> Result<(), UnknownMember> {
        self.get(key)
            .ok_or_else(|| unknown(key))
            .map(|endpoint| endpoint.gate().close(Reason::Disabled))
    }

    /// Switches a member on again.
    ///
    /// # Errors
    ///
    /// When there is no such member.
    pub fn enable(&self, key: &str) -> Result<(), UnknownMember> {
        self.get(key)
            .ok_or_else(|| unknown(key))
            .map(|endpoint| endpoint.gate().open(Reason::Disabled))
    }

    /// A member.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Endpoint> {
        let state = lock(&self.inner.state);
        state.members.get(key).map(|entry| entry.endpoint.clone())
    }

    /// All members, in no order.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let state = lock(&self.inner.state);
        state
            .members
            .values()
            .map(|entry| entry.endpoint.clone())
            .collect()
    }

    /// Everything that is known of every member, in the order of their keys.
    #[must_use]
    pub fn snapshot(&self) -> Vec<EndpointSnapshot> {
        let now = Timestamp::now();
        let mut members: Vec<_> = self
            .endpoints()
            .iter()
            .map(|endpoint| endpoint.snapshot(now))
            .collect();
        members.sort_by(|a, b| a.key.cmp(&b.key));
        members
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.inner.state).members.len()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes `endpoint`, unless its key has been given to another, taken back into service or drained anew since.
    pub(super) fn remove_drained(&self, endpoint: &Endpoint, turn: u64)
    where
        T: Clone,
    {
        let mut state = lock(&self.inner.state);
        let key = endpoint.key();
        let same = state
            .members
            .get(key)
            .is_some_and(|entry| entry.endpoint.is(endpoint) && entry.drain == turn);
        if !same {
            return;
        }
        state.members.remove(key);
        state.tell(&Change::Remove(endpoint.clone()));
        drop(state);
        self.inner.readers.wake_all();
    }
}

impl<T: Clone + PartialEq> Roster<T> {
    /// Adds a member: a key, or an [`Endpoint::builder`] with weight and labels. A member of the same key and an equal
    /// target stays as it is, with its measurements, and takes the new weight; if it was draining, it is in service
    /// again. One with another target is replaced.
    ///
    /// # Errors
    ///
    /// When the key is empty or the weight out of range; the roster stays as it was.
    pub fn insert(
        &self,
        member: impl Into<Builder>,
        target: T,
    ) -> Result<Endpoint, InvalidEndpoint> {
        let endpoint = member
            .into()
            .build_with(|| Arena::allot(&self.inner.arena))?;
        let mut state = lock(&self.inner.state);
        if let Some(entry) = state.members.get_mut(endpoint.key())
            && entry.target == target
            && entry.endpoint.labels() == endpoint.labels()
        {
            let known = entry.endpoint.clone();
            // Under the lock, so that a drain that ends now does not remove it after all; the wakers run outside.
            entry.drain = 0;
            let opened = known.gate().open_quietly(Reason::Draining);
            drop(state);
            known.set_weight(endpoint.weight());
            if opened {
                known.notify();
            }
            return Ok(known);
        }
        let key = Arc::from(endpoint.key());
        state.tell(&Change::Insert(endpoint.clone(), target.clone()));
        state.members.insert(
            key,
            Entry {
                endpoint: endpoint.clone(),
                target,
                drain: 0,
            },
        );
        drop(state);
        self.inner.readers.wake_all();
        Ok(endpoint)
    }
}

impl<T: Clone> Roster<T> {
    /// A `Discover` of the members, from those of now on.
    #[must_use]
    pub fn changes(&self) -> RosterChanges<T> {
        let mut state = lock(&self.inner.state);
        state.next_reader += 1;
        let reader = state.next_reader;
        let mut present: Vec<_> = state.members.values().collect();
        present.sort_by_key(|entry| entry.endpoint.cell_ref().slot());
        let queue = present
            .into_iter()
            .map(|entry| Change::Insert(entry.endpoint.clone(), entry.target.clone()))
            .collect();
        state.queues.insert(reader, queue);
        drop(state);
        RosterChanges {
            inner: Arc::clone(&self.inner),
            reader,
            ticket: Ticket::default(),
        }
    }
}

fn unknown(key: &str) -> UnknownMember {
    UnknownMember(key.to_owned())
}

impl<T> Clone for Roster<T> {
    fn clone(&self) -> Self {
        lock(&self.inner.state).handles += 1;
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<T> Drop for Roster<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.inner.state);
        state.handles -= 1;
        let last = state.handles == 0;
        drop(state);
        if last {
            self.inner.readers.wake_all();
        }
    }
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Roster<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster")
            .field("endpoints", &self.endpoints())
            .finish()
    }
}

// ===== impl State =====

impl<T: Clone> State<T> {
    fn tell(&mut self, change: &Change<Endpoint, T>) {
        for queue in self.queues.values_mut() {
            queue.push_back(match change {
                Change::Insert(endpoint, target) => {
                    Change::Insert(endpoint.clone(), target.clone())
                }
                Change::Remove(endpoint) => Change::Remove(endpoint.clone()),
            });
        }
    }
}

// ===== impl RosterChanges =====

impl<T> RosterChanges<T> {
    fn next(&self) -> Poll<Option<Change<Endpoint, T>>> {
        let mut state = lock(&self.inner.state);
        match state
            .queues
            .get_mut(&self.reader)
            .and_then(VecDeque::pop_front)
        {
            Some(change) => Poll::Ready(Some(change)),
            None if state.handles == 0 => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl<T> Stream for RosterChanges<T> {
    type Item = Result<Change<Endpoint, T>, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let mut next = this.next();
        if next.is_pending() {
            this.inner.readers.register(&mut this.ticket, cx.waker());
            next = this.next();
        }
        next.map(|change| change.map(Ok))
    }
}

impl<T> Drop for RosterChanges<T> {
    fn drop(&mut self) {
        self.inner.readers.deregister(&mut self.ticket);
        lock(&self.inner.state).queues.remove(&self.reader);
    }
}

impl<T> fmt::Debug for RosterChanges<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RosterChanges")
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}
