//! The endpoints whose gates a limiter closes while nothing is left.

use std::sync::Arc;

use super::{buckets::Store, limiter::Limiter};
use crate::{
    endpoint::{Endpoint, Reason},
    sync::{AtomicU32, Mutex, Ordering, lock},
    time::Timestamp,
    waiters::Waiters,
};

/// The gates of a limiter, and who waits in `poll_ready` for it.
///
/// # Correctness
///
/// Whoever takes the last of a bucket has the gates set, and so has whoever gives something back and finds them marked as
/// closed. They are set by what the bucket holds, by one at a time: a second one leaves its wish in the count, and the
/// first starts over when it finds it. The gates are marked before the look at the bucket, so a change that the look
/// missed finds the mark, and leaves a wish. Each look is at a time of its own: by the time of who began, a park that
/// another one has ended since would still last. All of it is sequentially consistent. Nobody holds a lock while gates wake
/// those who wait for them.
#[derive(Debug, Default)]
pub(super) struct Gates {
    watched: AtomicU32,
    closed: AtomicU32,
    /// Who wants the gates to be set.
    wishes: AtomicU32,
    endpoints: Mutex<Arc<Vec<Endpoint>>>,
    /// Those whose `poll_ready` waits.
    pub(super) waiters: Waiters,
}

/// Keeps an endpoint's gate in the hands of a limiter, and opens it in the end.
#[derive(Debug)]
pub(super) struct Watch<B: Store> {
    limiter: Arc<Limiter<B>>,
    endpoint: Endpoint,
}

// ===== impl Gates =====

impl Gates {
    /// Whether there are any.
    #[inline]
    pub(super) fn are_watched(&self) -> bool {
        self.watched.load(Ordering::SeqCst) != 0
    }

    /// Whether they may be closed.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst) != 0
    }

    /// Closes the gates until `next` says of the time that it is, or opens them.
    #[cold]
    pub(super) fn update(&self, next: impl Fn(Timestamp) -> Timestamp) {
        if self.wishes.fetch_add(1, Ordering::SeqCst) != 0 {
            return;
        }
        let mut wishes = 1;
        loop {
            self.set(&next);
            match self
                .wishes
                .compare_exchange(wishes, 0, Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(_) => return,
                Err(more) => wishes = more,
            }
        }
    }

    fn set(&self, next: impl Fn(Timestamp) -> Timestamp) {
        let endpoints = Arc::clone(&lock(&self.endpoints));
        let before = self.closed.swap(1, Ordering::SeqCst) != 0;
        let now = Timestamp::now();
        let until = next(now);
        if until > now {
            for endpoint in endpoints.iter() {
                endpoint.gate().close_until(Reason::Quota, until);
            }
        } else {
            self.closed.store(0, Ordering::SeqCst);
            for endpoint in endpoints.iter() {
                endpoint.gate().open(Reason::Quota);
            }
        }
        if before {
            // They look again, and go, or wait till another time.
            self.waiters.wake_all();
        }
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Endpoint>)) {
        let mut endpoints = lock(&self.endpoints);
        let mut list = endpoints.to_vec();
        change(&mut list);
        self.watched
            .store(u32::from(!list.is_empty()), Ordering::SeqCst);
        *endpoints = Arc::new(list);
    }
}

// ===== impl Watch =====

impl<B: Store> Watch<B> {
    pub(super) fn new(limiter: Arc<Limiter<B>>, endpoint: Endpoint) -> Self {
        limiter
            .gates
            .change(|endpoints| endpoints.push(endpoint.clone()));
        // It may be empty already: another endpoint may share it.
        limiter.settled();
        Self { limiter, endpoint }
    }
}

impl<B: Store> Drop for Watch<B> {
    fn drop(&mut self) {
        let mut last = true;
        self.limiter.gates.change(|endpoints| {
            let same = |endpoint: &Endpoint| endpoint.is(&self.endpoint);
            if let Some(index) = endpoints.iter().position(same) {
                endpoints.swap_remove(index);
            }
            last = !endpoints.iter().any(same);
        });
        if last {
            self.endpoint.gate().open(Reason::Quota);
        }
    }
}
