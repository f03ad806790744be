//! The window in which calls are gathered.

use std::time::Duration;

use super::{Counts, tally::Tally};
use crate::{
    sync::{AtomicU64, Ordering::Relaxed},
    time::{Timestamp, nanos},
};

/// The calls of a window, and when it is over. The time is read by every call and written once a window.
#[derive(Debug)]
pub(super) struct Window {
    /// In nanoseconds; 0 while none has begun.
    over: AtomicU64,
    length: AtomicU64,
    tally: Tally,
}

// ===== impl Window =====

impl Window {
    pub(super) fn new() -> Self {
        Self {
            over: AtomicU64::new(0),
            length: AtomicU64::new(0),
            tally: Tally::default(),
        }
    }

    pub(super) const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The next call begins another window, of this length. What was counted before is not judged.
    pub(super) fn restart(&self, length: Duration) {
        self.length.store(nanos(length), Relaxed);
        self.over.store(0, Relaxed);
    }

    #[inline]
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        now.as_nanos() >= self.over.load(Relaxed)
    }

    /// Begins the next window, and gives the calls of the last one to the one who does: nothing to others who found it over
    /// too, nor to who begins the first.
    #[cold]
    pub(super) fn close(&self, now: Timestamp) -> Option<Counts> {
        let over = self.over.load(Relaxed);
        if now.as_nanos() < over {
            return None;
        }
        let next = now.as_nanos().saturating_add(self.length.load(Relaxed));
        self.over
            .compare_exchange(over, next, Relaxed, Relaxed)
            .ok()?;
        let counts = self.tally.take();
        (over != 0).then_some(counts)
    }
}
