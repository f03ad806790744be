use std::{
    sync::OnceLock,
    task::{Poll, Waker},
};

use super::permits::Permits;
use crate::{
    endpoint::{Endpoint, Reason},
    sync::{AtomicUsize, Ordering, fence},
    waiters::{Ticket, Waiters},
};

/// The endpoints whose gates are closed while the limit is reached, and those whose `poll_ready` waits for room.
#[derive(Debug, Default)]
pub(super) struct Gates {
    first: OnceLock<Box<Gated>>,
    ready: Waiters,
}

/// One endpoint, and the next. A list that only grows needs no lock.
#[derive(Debug)]
struct Gated {
    endpoint: Endpoint,
    /// How many services stand behind it. When there are none left the gate is somebody else's, who replaced them, or
    /// nobody's.
    held: AtomicUsize,
    next: OnceLock<Box<Self>>,
}

// ===== impl Gates =====

impl Gates {
    #[inline(always)]
    pub(super) fn any(&self) -> bool {
        self.first.get().is_some()
    }

    pub(super) fn add(&self, endpoint: &Endpoint) {
        let mut slot = &self.first;
        loop {
            let gated = slot.get_or_init(|| {
                Box::new(Gated {
                    endpoint: endpoint.clone(),
                    held: AtomicUsize::new(0),
                    next: OnceLock::new(),
                })
            });
            if gated.endpoint.is(endpoint) {
                gated.held.fetch_add(1, Ordering::SeqCst);
                break;
            }
            slot = &gated.next;
        }
    }

    /// Leaves the gate of `endpoint` alone from now on, and open, once as often as it was added.
    pub(super) fn remove(&self, endpoint: &Endpoint) {
        let mut next = self.first.get();
        while let Some(gated) = next {
            if gated.endpoint.is(endpoint) {
                if gated.held.fetch_sub(1, Ordering::SeqCst) == 1 {
                    gated.endpoint.gate().open(Reason::Concurrency);
                }
                return;
            }
            next = gated.next.get();
        }
    }

    /// Sets gates to what the permits are, and wakes who waits for room.
    #[inline(always)]
    pub(super) fn settle(&self, permits: &Permits) {
        if self.any() {
            self.settle_all(permits);
        }
    }

    #[cold]
    fn settle_all(&self, permits: &Permits) {
        let full = settle(
            || permits.word().is_full(),
            |full| {
                let mut next = self.first.get();
                while let Some(gated) = next {
                    gated.set(full);
                    next = gated.next.get();
                }
            },
        );
        if !full {
            self.ready.wake_all();
        }
    }

    /// Ready while there is room.
    pub(super) fn poll_room(
        &self,
        permits: &Permits,
        ticket: &mut Ticket,
        waker: &Waker,
    ) -> Poll<()> {
        if permits.word().is_full() {
            self.ready.register(ticket, waker);
            if permits.word().is_full() {
                return Poll::Pending;
            }
        }
        self.forget(ticket);
        Poll::Ready(())
    }

    pub(super) fn forget(&self, ticket: &mut Ticket) {
        self.ready.deregister(ticket);
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.ready.len()
    }
}

// ===== impl Gated =====

impl Gated {
    fn set(&self, full: bool) {
        let gate = self.endpoint.gate();
        if !self.is_held() {
            return;
        }
        if !full {
            gate.open(Reason::Concurrency);
            return;
        }
        gate.close(Reason::Concurrency);
        // Whoever let go of it meanwhile may have opened it before that, and does not come back.
        if !self.is_held() {
            gate.open(Reason::Concurrency);
        }
    }

    fn is_held(&self) -> bool {
        self.held.load(Ordering::SeqCst) != 0
    }
}

/// Sets a gate to what is; says what that was at last.
///
/// # Correctness
///
/// Several threads may do so at once, and the last to write the gate may have looked long before. So each looks again
/// after it has written: either what is had changed before that look, and it writes again, or it changes later, and then
/// whoever changed it comes here afterwards. The fences keep each look behind the change or the write before it. Writes of
/// the gate are read-modify-writes, so that a later one sees what was changed before an earlier one.
pub(super) fn settle(is_full: impl Fn() -> bool, write: impl Fn(bool)) -> bool {
    fence(Ordering::SeqCst);
    let mut full = is_full();
    loop {
        write(full);
        fence(Ordering::SeqCst);
        let now = is_full();
        if now == full {
            return full;
        }
        full = now;
    }
}
