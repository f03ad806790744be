use std::sync::Arc;

use campanile::context::Priority;

use crate::build::{Chats, Embeds};

/// Who calls, and what it calls.
pub(crate) struct Caller {
    /// The name of its key.
    pub(crate) name: Arc<str>,
    /// On whose behalf it calls.
    pub(crate) tenant: Arc<str>,
    pub(crate) priority: Priority,
    /// The router, within this caller's limits and budgets.
    pub(crate) chats: Chats,
    /// The same for embeddings.
    pub(crate) embeds: Embeds,
}

// ===== impl Caller =====

impl Caller {
    /// Whether it may ask for this model, or stage.
    pub(crate) fn may_see(&self, _model: &str) -> bool {
        true
    }
}
