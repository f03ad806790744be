use std::sync::{Arc, Weak};

use super::{Endpoint, Inner};

/// Tells one endpoint from all others, without keeping it. What is remembered of an endpoint under its
/// [`id`](Endpoint::id) is its own for as long as this is kept beside it: no other endpoint gets that id before.
pub(crate) struct WeakEndpoint(Weak<Inner>);

// ===== impl Endpoint =====

impl Endpoint {
    /// Where it lies in memory.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.inner).addr()
    }

    pub(crate) fn downgrade(&self) -> WeakEndpoint {
        WeakEndpoint(Arc::downgrade(&self.inner))
    }
}

// ===== impl WeakEndpoint =====

impl WeakEndpoint {
    /// Whether nobody has a handle of it any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}
