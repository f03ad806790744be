use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, atomic::AtomicU64},
};

use super::{fleet::Fleet, guard::Guard};

/// What [`FastFail`](super::FastFail) keeps of an endpoint, with the inner strategy's state.
#[derive(Default)]
pub struct FastFailState<T> {
    pub(super) inner: T,
    /// A success before this time changes nothing; zero while there is trouble.
    pub(super) quiet_until: AtomicU64,
    guard: Mutex<Guard>,
    pub(super) place: OnceLock<Place>,
}

/// The endpoint's place among those that may be ejected at once. Free again when the state is dropped.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) fleet: Arc<Fleet>,
    pub(super) id: u64,
}

// ===== impl FastFailState =====

impl<T> FastFailState<T> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: fmt::Debug> fmt::Debug for FastFailState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastFailState")
            .field("inner", &self.inner)
            .field("guard", &*self.lock())
            .finish_non_exhaustive()
    }
}

// ===== impl Place =====

impl Drop for Place {
    fn drop(&mut self) {
        self.fleet.leave_place(self.id);
    }
}
