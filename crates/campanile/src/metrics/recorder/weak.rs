//! A recorder that is known, and not kept.

use std::{fmt, sync::Weak};

use super::{Lanes, Recorder};

/// Knows a recorder as long as a service, a layer or somebody else keeps it.
pub(in crate::metrics) struct WeakRecorder(Weak<Lanes>);

// ===== impl WeakRecorder =====

impl WeakRecorder {
    pub(in crate::metrics) fn of(recorder: &Recorder) -> Self {
        Self(std::sync::Arc::downgrade(&recorder.0))
    }

    pub(in crate::metrics) fn get(&self) -> Option<Recorder> {
        self.0.upgrade().map(Recorder)
    }
}

impl fmt::Debug for WeakRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WeakRecorder").field(&self.get()).finish()
    }
}
