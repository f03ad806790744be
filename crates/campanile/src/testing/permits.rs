use std::{
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    sync::{Mutex, lock},
    waiters::{Ticket, Waiters},
};

/// A number of permits that services share, each taken by `poll_ready` and given back when its call ends: what tower's
/// `ConcurrencyLimit` does, but it can be looked at. A handle: clones are the same permits.
#[derive(Debug, Clone)]
pub struct Permits {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    count: Mutex<Count>,
    waiters: Waiters,
}

#[derive(Debug)]
struct Count {
    free: usize,
    reserved: usize,
    used: usize,
}

/// One permit that is taken, reserved at first. Given back when it is dropped.
#[derive(Debug)]
#[must_use = "a permit that is dropped is given back"]
pub struct Permit {
    permits: Permits,
    used: bool,
}

// ===== impl Permits =====

impl Permits {
    /// So many permits.
    #[must_use]
    pub fn new(permits: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                count: Mutex::new(Count {
                    free: permits,
                    reserved: 0,
                    used: 0,
                }),
                waiters: Waiters::default(),
            }),
        }
    }

    /// Permits that nobody holds.
    #[must_use]
    pub fn free(&self) -> usize {
        lock(&self.inner.count).free
    }

    /// Permits of instances that were readied and have not been called: what an idle clone must not hold.
    #[must_use]
    pub fn reserved(&self) -> usize {
        lock(&self.inner.count).reserved
    }

    /// Permits of calls in flight.
    #[must_use]
    pub fn used(&self) -> usize {
        lock(&self.inner.count).used
    }

    /// Reserves a permit, or waits for one.
    pub(super) fn poll_take(&self, ticket: &mut Ticket, cx: &Context<'_>) -> Poll<Permit> {
        self.inner.waiters.register(ticket, cx.waker());
        let mut count = lock(&self.inner.count);
        if count.free == 0 {
            return Poll::Pending;
        }
        count.free -= 1;
        count.reserved += 1;
        drop(count);
        self.forget(ticket);
        Poll::Ready(Permit {
            permits: self.clone(),
            used: false,
        })
    }

    pub(super) fn forget(&self, ticket: &mut Ticket) {
        self.inner.waiters.deregister(ticket);
    }
}

// ===== impl Permit =====

impl Permit {
    /// The reserved permit is used from now on.
    pub(super) fn spend(&mut self) {
        let mut count = lock(&self.permits.inner.count);
        count.reserved -= 1;
        count.used += 1;
        self.used = true;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut count = lock(&self.permits.inner.count);
        if self.used {
            count.used -= 1;
        } else {
            count.reserved -= 1;
        }
        count.free += 1;
        drop(count);
        self.permits.inner.waiters.wake_all();
    }
}
