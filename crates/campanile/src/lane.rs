//! Which of a few lines of memory a thread writes to, so that calls on several threads share none.

use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
};

/// How many threads have a lane of their own; further ones share.
#[cfg(not(campanile_loom))]
pub(crate) const LANES: usize = 8;
/// Loom's threads share, so that it has less to try out.
#[cfg(campanile_loom)]
pub(crate) const LANES: usize = 1;

/// The calling thread's lane, below [`LANES`]. The same in every array of lanes.
#[inline(always)]
pub(crate) fn lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LANE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    LANE.with(|lane| {
        if lane.get() == usize::MAX {
            lane.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        lane.get() % LANES
    })
}
