use std::{
    fmt,
    task::{Poll, Waker},
};

use super::{
    ConcurrencyLimitConfig,
    algorithm::{Algorithm, AlgorithmConfig},
    control::{Control, Finished},
    gates::Gates,
    permits::{Displaced, Entered, Permits, Place},
    state::{Bounds, Word},
};
use crate::{
    context::Priority,
    endpoint::Endpoint,
    sync::{AtomicU64, Mutex, Ordering, lock},
    time::Timestamp,
    waiters::Ticket,
};

/// What all clones of a service share.
// In order of use, so that the first lines have all that a call touches which does not wait.
#[repr(C)]
pub(super) struct Shared {
    permits: Permits,
    control: Option<Control>,
    gates: Gates,
    /// Calls that found no room: refused, or made to wait.
    short: AtomicU64,
    /// Calls that were refused, at once or after a wait.
    refused: AtomicU64,
    bounds: Mutex<Bounds>,
    config: ConcurrencyLimitConfig,
}

// ===== impl Shared =====

impl Shared {
    /// As `config` says, which is a checked one; by `algorithm` in place of its own, if there is one.
    pub(super) fn new(
        config: ConcurrencyLimitConfig,
        algorithm: Option<Box<dyn Algorithm>>,
    ) -> Self {
        let (held, algorithm) = match (algorithm, config.algorithm) {
            (Some(algorithm), _) => (None, Some(algorithm)),
            (None, AlgorithmConfig::Static(fixed)) => (Some(fixed.limit), None),
            (None, named) => (None, Some(named.boxed())),
        };
        let bounds = Bounds {
            floor: config.min_limit,
            cap: config.max_limit,
            ceiling: config.max_limit,
            held,
            wanted: algorithm.as_ref().map_or(0.0, |it| it.limit()),
        };
        Self {
            permits: Permits::new(bounds.limit()),
            control: algorithm.map(|algorithm| Control::new(algorithm, config.signal)),
            gates: Gates::default(),
            short: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            bounds: Mutex::new(bounds),
            config,
        }
    }

    #[inline(always)]
    pub(super) const fn control(&self) -> Option<&Control> {
        self.control.as_ref()
    }

    pub(super) const fn config(&self) -> &ConcurrencyLimitConfig {
        &self.config
    }

    pub(super) fn word(&self) -> Word {
        self.permits.word()
    }

    pub(super) fn waiting(&self) -> usize {
        self.permits.waiting()
    }

    pub(super) fn bounds(&self) -> Bounds {
        *lock(&self.bounds)
    }

    /// Calls that found no room, and calls that were refused.
    pub(super) fn shortage(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.short), read(&self.refused))
    }

    /// Takes permits if there is room and nobody waits.
    #[inline(always)]
    pub(super) fn try_acquire(&self, units: u32) -> bool {
        match self.permits.try_acquire(units) {
            Some(after) => {
                self.settle(after);
                true
            }
            None => {
                self.short.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// Queues for permits that [`try_acquire`](Self::try_acquire) did not find.
    pub(super) fn enter(&self, units: u32, priority: Priority, waker: &Waker) -> Entered {
        let most = self.config.max_waiting;
        let entered = self.permits.enter(units, priority, most, waker);
        // Whoever looked meanwhile saw a queue, and may have closed the gate for it.
        self.gates.settle(&self.permits);
        entered
    }

    pub(super) fn poll(&self, place: Place, waker: &Waker) -> Poll<Result<(), Displaced>> {
        self.permits.poll(place, waker)
    }

    /// Gives a place in the queue up; says whether the call was granted its permits already.
    pub(super) fn withdraw(&self, place: Place) -> bool {
        let granted = self.permits.withdraw(place);
        self.gates.settle(&self.permits);
        granted
    }

    /// Gives permits back; says what the permits were before.
    #[inline(always)]
    pub(super) fn release(&self, units: u32) -> Word {
        let before = self.permits.release(units);
        self.settle(before);
        before
    }

    #[cold]
    pub(super) fn count_refusal(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells the algorithm, and follows what it says. With the call that has finished, and what the permits were before.
    pub(super) fn consult(
        &self,
        control: &Control,
        now: Timestamp,
        finished: Option<(Word, &Finished)>,
    ) {
        let (word, finished) = match finished {
            Some((before, finished)) => (before, Some(finished)),
            None => (self.permits.word(), None),
        };
        let short = self.short.load(Ordering::Relaxed);
        control.consult(now, word, short, finished, |wanted| {
            self.rebound(|bounds| bounds.wanted = wanted);
        });
    }

    /// Moves the bounds, and the limit with them; says what they are.
    pub(super) fn rebound(&self, change: impl FnOnce(&mut Bounds)) -> Bounds {
        let (bounds, before) = {
            let mut bounds = lock(&self.bounds);
            change(&mut bounds);
            // Under the lock, so that the word is what the last change of the bounds made it.
            let before = self.permits.set_limit(bounds.limit());
            (*bounds, before)
        };
        if bounds.limit() != before.limit() {
            tracing::debug!(
                limit = bounds.limit(),
                before = before.limit(),
                in_use = before.in_use(),
                "the concurrency limit moves"
            );
            self.permits.hand_over();
            self.gates.settle(&self.permits);
        }
        bounds
    }

    /// Closes the gate of `endpoint` while the limit is reached.
    pub(super) fn gate(&self, endpoint: &Endpoint) {
        self.gates.add(endpoint);
        self.gates.settle(&self.permits);
    }

    /// Leaves the gate of `endpoint` alone again.
    pub(super) fn ungate(&self, endpoint: &Endpoint) {
        self.gates.remove(endpoint);
    }

    /// Follows a change from, or to, a word that was full.
    #[inline(always)]
    fn settle(&self, word: Word) {
        if word.is_full() {
            self.gates.settle(&self.permits);
        }
    }

    /// Whether a service that stands behind a gate may say that it is ready.
    #[inline(always)]
    pub(super) fn poll_room(&self, ticket: &mut Ticket, waker: &Waker) -> Poll<()> {
        self.gates.poll_room(&self.permits, ticket, waker)
    }

    pub(super) fn forget(&self, ticket: &mut Ticket) {
        self.gates.forget(ticket);
    }

    #[cfg(test)]
    pub(super) fn waiting_for_room(&self) -> usize {
        self.gates.waiting()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("permits", &self.permits)
            .field("control", &self.control)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}
