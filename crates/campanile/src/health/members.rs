//! Who is a member: told on the way by, as discovery tells the pool.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use pin_project_lite::pin_project;
use tokio::sync::mpsc;
use tower::discover::{Change, Discover};

use super::{Fleet, MemberId};
use crate::{
    discover::{Key, Known},
    endpoint::{Endpoint, Reason},
    time::Timestamp,
};

#[cfg(all(test, feature = "testing"))]
mod tests;

pin_project! {
    /// Discovery whose members are looked after, by health probes or outlier detection. It hands every change on at
    /// once, under the [`Endpoint`] that its key stands for.
    ///
    /// When it is dropped the looking after ends, and the gates that were closed by it open. When the discovery merely
    /// ends, its members stay and are looked after on.
    pub struct Monitored<D, T> {
        #[pin]
        discover: D,
        known: Known,
        roll: Roll<T>,
    }
}

/// What a [`Monitored`] tells the task that looks after its members.
#[derive(Debug)]
pub(crate) enum Membership<T> {
    /// A member joined; the fleet has it already.
    Joined {
        id: MemberId,
        endpoint: Endpoint,
        target: T,
    },
    /// A member was inserted again and is the same endpoint: it keeps its state and gets another target.
    Replaced { id: MemberId, target: T },
    /// A member left; the fleet has let it go already.
    Left { id: MemberId },
}

/// The members, by key.
struct Roll<T> {
    members: HashMap<Endpoint, MemberId>,
    fleet: Fleet,
    /// What a new member is unfit for until it is judged otherwise.
    shut: Option<Reason>,
    tell: mpsc::UnboundedSender<Membership<T>>,
}

// ===== impl Monitored =====

impl<D, T> Monitored<D, T> {
    /// The members of `discover`, each joining `fleet`, and what is told of them. With `shut`, a new member's gate is
    /// closed for that reason before the pool knows of it, until the fleet is told otherwise.
    ///
    /// Nothing is told after the receiver is dropped, and no member joins the fleet any more.
    pub(crate) fn new(
        discover: D,
        fleet: Fleet,
        shut: Option<Reason>,
    ) -> (Self, mpsc::UnboundedReceiver<Membership<T>>) {
        // Without a bound: the pool must not wait for whoever listens. There is one entry for each change.
        let (tell, told) = mpsc::unbounded_channel();
        let roll = Roll {
            members: HashMap::new(),
            fleet,
            shut,
            tell,
        };
        let monitored = Self {
            discover,
            known: Known::default(),
            roll,
        };
        (monitored, told)
    }
}

impl<D> Stream for Monitored<D, D::Service>
where
    D: Discover,
    D::Key: Key,
    D::Service: Clone,
{
    type Item = Result<Change<Endpoint, D::Service>, D::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let change = match ready!(this.discover.poll_discover(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            Some(Ok(change)) => change,
        };
        Poll::Ready(Some(Ok(match change {
            Change::Insert(key, target) => {
                let endpoint = this.known.insert(&key);
                this.roll.insert(&endpoint, target.clone());
                Change::Insert(endpoint, target)
            }
            Change::Remove(key) => {
                let endpoint = this.known.remove(&key);
                this.roll.remove(&endpoint);
                Change::Remove(endpoint)
            }
        })))
    }
}

impl<D: fmt::Debug, T> fmt::Debug for Monitored<D, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitored")
            .field("discover", &self.discover)
            .field("members", &self.roll.members.len())
            .finish_non_exhaustive()
    }
}

// ===== impl Roll =====

impl<T> Roll<T> {
    fn insert(&mut self, endpoint: &Endpoint, target: T) {
        if let Some((known, id)) = self.members.get_key_value(endpoint) {
            if known.is(endpoint) {
                let id = *id;
                let _ = self.tell.send(Membership::Replaced { id, target });
                return;
            }
            // Another endpoint of the same key takes its place.
            self.remove(endpoint);
        }
        if self.tell.is_closed() {
            return;
        }
        let now = Timestamp::now();
        let id = self.fleet.join(endpoint, now);
        if let Some(reason) = self.shut {
            self.fleet.hold(id, reason, now);
        }
        let joined = Membership::Joined {
            id,
            endpoint: endpoint.clone(),
            target,
        };
        if self.tell.send(joined).is_ok() {
            self.members.insert(endpoint.clone(), id);
        } else {
            self.fleet.leave(id, now);
        }
    }

    fn remove(&mut self, endpoint: &Endpoint) {
        if let Some(id) = self.members.remove(endpoint) {
            self.fleet.leave(id, Timestamp::now());
            let _ = self.tell.send(Membership::Left { id });
        }
    }
}

impl<T> Drop for Roll<T> {
    fn drop(&mut self) {
        let now = Timestamp::now();
        for id in self.members.values() {
            self.fleet.leave(*id, now);
        }
    }
}
