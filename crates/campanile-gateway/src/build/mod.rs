//! Makes pools, stages and routes of the settings.

use std::{collections::BTreeMap, sync::Arc};

use campanile::{Call, config::Invalid};
use campanile_llm::{
    Error,
    chat::{ChatRequest, ChatResponse},
    embed::{EmbeddingRequest, EmbeddingResponse},
    estimate::{EstimateConfig, EstimateLayer},
    provider::HttpClient,
    route::{GroupConfig, Router, RouterConfig},
};
use serde::Serialize;
use thiserror::Error as ThisError;

use crate::{
    access::{Access, Routed},
    config::Config,
    gateway::Kept,
};

mod member;
mod pool;
mod stash;

#[allow(unused_imports)] // for those who show them
pub(crate) use member::{Guards, Member, MemberSnapshot};
pub(crate) use pool::Pool;
pub(crate) use stash::Stashed;

/// A service of chats, whatever is in it.
pub(crate) type Chats = Stashed<Call<ChatRequest>, ChatResponse, Error>;
/// A service of embeddings, whatever is in it.
pub(crate) type Embeds = Stashed<Call<EmbeddingRequest>, EmbeddingResponse, Error>;

/// What calls go by: made of the settings, and replaced as a whole when they change.
pub(crate) struct Live {
    pub(crate) config: Arc<Config>,
    /// Who may call, each with the services that it calls.
    pub(crate) access: Access,
    pub(crate) pools: BTreeMap<String, Pool>,
    pub(crate) chats: Router<Chats>,
    pub(crate) embeds: Router<Embeds>,
}

/// What a change of the settings has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Reloaded {
    /// What happened to each pool, stage and member of which anything changed, a sentence each.
    pub changes: Vec<String>,
    /// What was changed in the settings and goes on as before until the next start.
    pub ignored: Vec<String>,
}

/// Why a gateway cannot be made.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting cannot be.
    #[error("{0}")]
    Invalid(#[from] Invalid),
}

// ===== impl Live =====

impl Live {
    pub(crate) fn new(
        config: Config,
        kept: &Kept,
        before: Option<&Self>,
    ) -> Result<Self, BuildError> {
        let config = Arc::new(config);
        let http = HttpClient::new(config.http)?;
        let mut pools = BTreeMap::new();
        for name in config.pools.keys() {
            pools.insert(name.clone(), Pool::new(name, &config, &http, kept)?);
        }
        let mut routes = RouterConfig::default();
        let mut services = Vec::new();
        let mut embeds = Vec::new();
        for (name, stage) in &config.stages {
            let mut group = GroupConfig::default();
            group.models = stage.models.clone();
            group.models.push(name.clone());
            group.model = stage.model.clone();
            routes = routes.with_group(name, group);
            let pool = stage.pool.as_deref().unwrap_or(name);
            if let Some(pool) = pools.get(pool) {
                services.push((name.clone(), pool.chats.clone()));
                embeds.push((name.clone(), pool.embeds.clone()));
            }
        }
        routes.aliases = config.aliases.clone();
        routes.default = config.default_stage.clone();
        let chats = Router::new(routes.clone(), services)?;
        let embeds = Router::new(routes, embeds)?;
        let routed = Routed {
            chats: &chats,
            embeds: &embeds,
            estimate: &EstimateLayer::new(EstimateConfig::default())?,
        };
        let access = Access::new(&config, &routed, before.map(|live| &live.access))?;
        Ok(Self {
            config,
            access,
            pools,
            chats,
            embeds,
        })
    }
}
