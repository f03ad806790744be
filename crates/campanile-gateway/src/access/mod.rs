//! Who calls, and within which limits.

use std::sync::Arc;

use campanile::{Context, context::Priority};
use campanile_llm::{Error, dialect::Dialect};
use http::HeaderMap;

use crate::{
    build::{BuildError, Chats, Embeds},
    config::Config,
};

/// Everybody who may call.
pub(crate) struct Access {
    anybody: Arc<Caller>,
}

/// Who calls, and what it calls.
pub(crate) struct Caller {
    /// The name of its key.
    pub(crate) name: Arc<str>,
    pub(crate) tenant: Arc<str>,
    pub(crate) priority: Priority,
    /// The router, within this caller's limits and budgets.
    pub(crate) chats: Chats,
    pub(crate) embeds: Embeds,
}

// ===== impl Access =====

impl Access {
    pub(crate) fn new(
        _config: &Config,
        chats: &Chats,
        embeds: &Embeds,
        _before: Option<&Self>,
    ) -> Result<Self, BuildError> {
        let anybody: Arc<str> = "anybody".into();
        Ok(Self {
            anybody: Arc::new(Caller {
                name: Arc::clone(&anybody),
                tenant: anybody,
                priority: Priority::Normal,
                chats: chats.clone(),
                embeds: embeds.clone(),
            }),
        })
    }

    /// Who sends this.
    pub(crate) fn caller(
        &self,
        _headers: &HeaderMap,
        _dialect: Dialect,
    ) -> Result<Arc<Caller>, Error> {
        Ok(Arc::clone(&self.anybody))
    }
}

// ===== impl Caller =====

impl Caller {
    pub(crate) fn context(&self) -> Context {
        Context::new()
            .with_tenant(Arc::clone(&self.tenant))
            .with_priority(self.priority)
    }
}
