//! Tasks that wait for a change.

// Every feature that waits uses it; without them it lies idle.
#![cfg_attr(not(feature = "balance"), allow(dead_code))]

use std::{collections::BTreeMap, task::Waker};

use crate::sync::{AtomicUsize, Mutex, Ordering, fence, lock};

/// Tasks that wait for a change. Waking costs one load when nobody waits.
///
/// # Correctness
///
/// A waiter registers, then looks at the condition once more; a waker changes the condition, then looks for waiters. A
/// sequentially consistent fence on both sides, between the write and the look, keeps each from missing the other.
/// Where the change itself was a sequentially consistent read-modify-write, and the look at it is a sequentially
/// consistent load, the waker needs no fence.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    count: AtomicUsize,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

/// A place among the waiters; 0 for none.
#[derive(Debug, Default)]
pub(crate) struct Ticket(u64);

// ===== impl Waiters =====

impl Waiters {
    /// Registers `waker`, in the ticket's old place if it still has one. Look at the condition afterwards.
    pub(crate) fn register(&self, ticket: &mut Ticket, waker: &Waker) {
        let mut list = lock(&self.list);
        match list.wakers.get_mut(&ticket.0) {
            Some(known) => known.clone_from(waker),
            None => {
                list.next += 1;
                ticket.0 = list.next;
                list.wakers.insert(ticket.0, waker.clone());
                self.count.store(list.wakers.len(), Ordering::SeqCst);
            }
        }
        drop(list);
        fence(Ordering::SeqCst);
    }

    /// Gives the place up.
    pub(crate) fn deregister(&self, ticket: &mut Ticket) {
        if ticket.0 != 0 {
            let mut list = lock(&self.list);
            list.wakers.remove(&ticket.0);
            self.count.store(list.wakers.len(), Ordering::SeqCst);
            ticket.0 = 0;
        }
    }

    /// Wakes everyone who is registered, once.
    pub(crate) fn wake_all(&self) {
        fence(Ordering::SeqCst);
        self.wake_all_fenced();
    }

    /// [`wake_all`](Self::wake_all) right after a sequentially consistent read-modify-write.
    #[inline]
    pub(crate) fn wake_all_fenced(&self) {
        if self.count.load(Ordering::SeqCst) != 0 {
            self.wake_registered();
        }
    }

    #[cold]
    fn wake_registered(&self) {
        let wakers = {
            let mut list = lock(&self.list);
            self.count.store(0, Ordering::SeqCst);
            std::mem::take(&mut list.wakers)
        };
        // Outside of the lock: a waker may run anything.
        for waker in wakers.into_values() {
            waker.wake();
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        lock(&self.list).wakers.len()
    }
}
