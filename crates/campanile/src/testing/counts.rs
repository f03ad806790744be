use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

/// What a scripted endpoint has seen; made by [`Script::counts`](super::Script::counts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Calls up to now, those that panicked included.
    pub calls: u64,
    /// Calls whose future is neither over nor dropped. Bodies and streams do not count.
    pub in_flight: usize,
    /// The most there were of those at any one time.
    pub most_in_flight: usize,
    /// Calls that ended with an answer or an error.
    pub finished: u64,
    /// Calls that were dropped before they ended.
    pub cancelled: u64,
    /// Calls that panicked, in `call` or in their future's `poll`.
    pub panicked: u64,
    /// Polls of `poll_ready`.
    pub readiness_polls: u64,
    /// Services that are alive: the script's own handles do not count.
    pub services: usize,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    calls: AtomicU64,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    finished: AtomicU64,
    cancelled: AtomicU64,
    panicked: AtomicU64,
    readiness_polls: AtomicU64,
    services: AtomicUsize,
}

/// How a call left.
#[derive(Debug, Clone, Copy)]
pub(super) enum Left {
    Finished,
    Cancelled,
    Panicked,
}

// ===== impl Tally =====

impl Tally {
    /// Counts a call in; says how many there were before.
    pub(super) fn enter(&self) -> u64 {
        let in_flight = self.in_flight.fetch_add(1, SeqCst) + 1;
        self.most_in_flight.fetch_max(in_flight, SeqCst);
        self.calls.fetch_add(1, SeqCst)
    }

    pub(super) fn leave(&self, how: Left) {
        let count = match how {
            Left::Finished => &self.finished,
            Left::Cancelled => &self.cancelled,
            Left::Panicked => &self.panicked,
        };
        count.fetch_add(1, SeqCst);
        self.in_flight.fetch_sub(1, SeqCst);
    }

    pub(super) fn poll_readiness(&self) {
        self.readiness_polls.fetch_add(1, SeqCst);
    }

    pub(super) fn born(&self) {
        self.services.fetch_add(1, SeqCst);
    }

    pub(super) fn died(&self) {
        self.services.fetch_sub(1, SeqCst);
    }

    pub(super) fn read(&self) -> Counts {
        Counts {
            calls: self.calls.load(SeqCst),
            in_flight: self.in_flight.load(SeqCst),
            most_in_flight: self.most_in_flight.load(SeqCst),
            finished: self.finished.load(SeqCst),
            cancelled: self.cancelled.load(SeqCst),
            panicked: self.panicked.load(SeqCst),
            readiness_polls: self.readiness_polls.load(SeqCst),
            services: self.services.load(SeqCst),
        }
    }
}
