use std::sync::atomic::{AtomicU64, Ordering};

use super::sums::Sums;
use crate::{
    balance::strategy::pace::{Float, load, seconds, store},
    time::Timestamp,
};

/// What [`Ebw`](super::Ebw) keeps of an endpoint.
#[derive(Debug, Default)]
pub struct EbwState {
    pub(super) at: AtomicU64,
    busy: Float,
    work: Float,
    /// The sums and the successes as of the last publication.
    pub(super) published: Published,
}

#[derive(Debug, Default)]
pub(super) struct Published {
    pub(super) at: AtomicU64,
    busy: Float,
    work: Float,
    calls: AtomicU64,
}

// ===== impl EbwState =====

impl EbwState {
    pub(super) fn sums(&self) -> Sums {
        Sums {
            busy: load(&self.busy),
            work: load(&self.work),
        }
    }

    /// Since time was added up.
    #[inline(always)]
    pub(super) fn elapsed_nanos(&self, now: Timestamp) -> u64 {
        now.as_nanos()
            .saturating_sub(self.at.load(Ordering::Relaxed))
    }

    /// Work was done just now.
    #[inline(always)]
    pub(super) fn add(&self, work: f64) {
        store(&self.work, load(&self.work) + work);
    }

    /// Moves on to `now`: `g` until then, `work` done.
    #[inline]
    pub(super) fn advance(&self, now: Timestamp, tau: f64, g: f64, work: f64) -> Sums {
        let then = Timestamp::from_nanos(self.at.load(Ordering::Relaxed));
        let sums = self.sums().after(seconds(then, now), tau, g, work);
        self.at.store(now.max(then).as_nanos(), Ordering::Relaxed);
        store(&self.busy, sums.busy);
        store(&self.work, sums.work);
        sums
    }
}

// ===== impl Published =====

impl Published {
    /// Remembers the present sums; returns what came to them since the last time.
    pub(super) fn replace(&self, now: Timestamp, sums: Sums, calls: u64, tau: f64) -> (Sums, u64) {
        let then = Timestamp::from_nanos(self.at.swap(now.as_nanos(), Ordering::Relaxed));
        let earlier = Sums {
            busy: load(&self.busy),
            work: load(&self.work),
        };
        store(&self.busy, sums.busy);
        store(&self.work, sums.work);
        let calls_before = self.calls.swap(calls, Ordering::Relaxed);
        (
            sums.since(earlier, seconds(then, now), tau),
            calls.saturating_sub(calls_before),
        )
    }
}
