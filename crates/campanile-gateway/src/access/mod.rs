//! Who calls, and within which limits.

use std::sync::Arc;

use campanile::{Context, context::Priority};
use campanile_llm::{Error, dialect::Dialect, estimate::EstimateLayer, route::Router};
use http::HeaderMap;

use crate::{
    build::{BuildError, Chats, Embeds},
    config::Config,
};

mod caller;

pub(crate) use caller::Caller;

/// Everybody who may call.
pub(crate) struct Access {
    anybody: Arc<Caller>,
}

/// What all callers call, each within limits of its own.
pub(crate) struct Routed<'a> {
    pub(crate) chats: &'a Router<Chats>,
    pub(crate) embeds: &'a Router<Embeds>,
    /// Tells what calls will take, before any limit of a caller's: the outermost layer.
    pub(crate) estimate: &'a EstimateLayer,
}

// ===== impl Access =====

impl Access {
    /// Callers as the settings say. What is equal in `before` keeps what it has counted.
    pub(crate) fn new(
        _config: &Config,
        routed: &Routed<'_>,
        _before: Option<&Self>,
    ) -> Result<Self, BuildError> {
        let anybody: Arc<str> = "anybody".into();
        Ok(Self {
            anybody: Arc::new(Caller {
                name: Arc::clone(&anybody),
                tenant: anybody,
                priority: Priority::Normal,
                chats: Chats::new(routed.chats.clone()),
                embeds: Embeds::new(routed.embeds.clone()),
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
