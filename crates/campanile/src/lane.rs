//! Which of a few lines of memory a thread writes to, so that calls on several threads share none.

use std::{
    cell::Cell,
    fmt,
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
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

/// What clones of a service share, with a count of holders for each thread: a call that holds on to it by the count of its
/// own thread writes no line that others write.
pub struct Lanes<T> {
    shared: Arc<T>,
    shares: [OnceLock<Share<T>>; LANES],
}

/// A share in what is shared, counted by the thread that took it.
pub struct Share<T>(Arc<Apart<T>>);

/// Alone in its cache lines, and so is the count in front of it.
#[repr(align(128))]
struct Apart<T>(Arc<T>);

// ===== impl Lanes =====

impl<T> Lanes<T> {
    /// Shares in this, for each thread.
    #[must_use]
    pub fn new(shared: Arc<T>) -> Self {
        Self {
            shared,
            shares: Default::default(),
        }
    }

    /// What is shared.
    #[must_use]
    pub const fn shared(&self) -> &Arc<T> {
        &self.shared
    }

    /// A share for a call.
    #[inline(always)]
    #[must_use]
    pub fn share(&self) -> Share<T> {
        match self.shares[lane()].get() {
            Some(share) => share.clone(),
            None => self.make(),
        }
    }

    #[cold]
    fn make(&self) -> Share<T> {
        self.shares[lane()]
            .get_or_init(|| Share::new(Arc::clone(&self.shared)))
            .clone()
    }
}

impl<T> Deref for Lanes<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.shared
    }
}

impl<T: fmt::Debug> fmt::Debug for Lanes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

// ===== impl Share =====

impl<T> Share<T> {
    fn new(shared: Arc<T>) -> Self {
        Self(Arc::new(Apart(shared)))
    }
}

impl<T> Clone for Share<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Share<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Share<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
