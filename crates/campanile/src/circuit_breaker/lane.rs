//! What each thread has of its own at a breaker, so that calls on several threads write no common line: a handle that
//! keeps the breaker alive for a call, and a count of calls that went well.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::breaker::Breaker;
use crate::{
    endpoint::Endpoint,
    lane::{LANES, lane},
    sync::{AtomicU64, Ordering},
};

/// The lanes of one service and its clones.
pub(super) struct Lanes {
    pub(super) breaker: Arc<Breaker>,
    lanes: [OnceLock<Arc<Lane>>; LANES],
    /// Whose gate closes while the service would refuse.
    pub(super) gate: Option<Endpoint>,
}

/// What a thread has of its own. Alone in its cache lines, and so is the count of its handles in front of it.
#[repr(align(128))]
pub(super) struct Lane {
    pub(super) breaker: Arc<Breaker>,
    pub(super) fine: Arc<Fine>,
}

/// How many calls went well; the rest of what there is to know of them is that nothing was wrong.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Fine(AtomicU64);

// ===== impl Lanes =====

impl Lanes {
    pub(super) fn new(breaker: Arc<Breaker>, gate: Option<Endpoint>) -> Self {
        if let Some(endpoint) = &gate {
            breaker.attach(endpoint);
        }
        Self {
            breaker,
            lanes: Default::default(),
            gate,
        }
    }

    /// The calling thread's lane.
    #[inline(always)]
    pub(super) fn lane(&self) -> &Arc<Lane> {
        match self.lanes[lane()].get() {
            Some(lane) => lane,
            None => self.make_lane(),
        }
    }

    #[cold]
    fn make_lane(&self) -> &Arc<Lane> {
        self.lanes[lane()].get_or_init(|| {
            Arc::new(Lane {
                breaker: Arc::clone(&self.breaker),
                fine: self.breaker.counter(),
            })
        })
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        if let Some(endpoint) = &self.gate {
            self.breaker.detach(endpoint);
        }
    }
}

// ===== impl Fine =====

impl Fine {
    #[inline(always)]
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}
