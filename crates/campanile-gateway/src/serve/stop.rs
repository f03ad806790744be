//! How far stopping has come, for everybody.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How far stopping has come. Connections are woken at each step, and look at it whenever they are polled.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    phase: AtomicU8,
    pub(super) steps: std::sync::Arc<Notify>,
    finished: AtomicUsize,
    cut: AtomicUsize,
    /// Whom one more wakes that is to go, so that another can come.
    pub(super) leave: std::sync::Arc<Notify>,
    /// How many are to go.
    leaving: AtomicUsize,
}

/// A step on the way to a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Everything goes on.
    Running,
    /// No new calls; those under way go on.
    Stopping,
    /// Those under way end now, and say so.
    Cutting,
    /// Connections close, whatever they are doing.
    Gone,
}

// ===== impl Stop =====

impl Stop {
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Stopping,
            2 => Phase::Cutting,
            _ => Phase::Gone,
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
        self.steps.notify_waiters();
    }

    /// An answer that was under way when it began came to its end, or was cut.
    pub(super) fn ended(&self, was_cut: bool) {
        let count = if was_cut { &self.cut } else { &self.finished };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks the connection to go that has been without a call for longest: now, or when there is one.
    pub(super) fn ask_to_leave(&self) {
        self.leaving.store(1, Ordering::Release);
        self.leave.notify_one();
    }

    /// Nobody need go any more.
    pub(super) fn has_room(&self) {
        self.leaving.store(0, Ordering::Release);
    }

    /// Whether the one that asks is to go.
    pub(super) fn must_leave(&self) -> bool {
        self.leaving.swap(0, Ordering::AcqRel) > 0
    }

    pub(super) fn finished(&self) -> usize {
        self.finished.load(Ordering::Relaxed)
    }

    pub(super) fn cut(&self) -> usize {
        self.cut.load(Ordering::Relaxed)
    }
}
