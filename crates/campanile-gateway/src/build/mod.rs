//! Makes pools, stages and routes of the settings.

use std::{collections::BTreeMap, sync::Arc};

use campanile::{Call, config::Invalid};
use campanile_llm::{
    Error,
    chat::{ChatRequest, ChatResponse},
    embed::{EmbeddingRequest, EmbeddingResponse},
    provider::HttpClient,
    route::{GroupConfig, Router, RouterConfig},
};
use thiserror::Error as ThisError;
use tower::util::BoxCloneSyncService;

use crate::{access::Access, config::Config, gateway::Kept};

mod pool;

pub(crate) use pool::Pool;

/// A service of chats, whatever is in it.
pub(crate) type Chats = BoxCloneSyncService<Call<ChatRequest>, ChatResponse, Error>;
/// A service of embeddings, whatever is in it.
pub(crate) type Embeds = BoxCloneSyncService<Call<EmbeddingRequest>, EmbeddingResponse, Error>;

/// What calls go by: made of the settings, and replaced as a whole when they change.
pub(crate) struct Live {
    pub(crate) config: Arc<Config>,
    /// Who may call, each with the services that it calls.
    pub(crate) access: Access,
    pub(crate) pools: BTreeMap<String, Pool>,
    pub(crate) chats: Router<Chats>,
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
        for (name, stage) in &config.stages {
            let mut group = GroupConfig::default();
            group.models = stage.models.clone();
            group.models.push(name.clone());
            group.model = stage.model.clone();
            routes = routes.with_group(name, group);
            let pool = stage.pool.as_deref().unwrap_or(name);
            if let Some(pool) = pools.get(pool) {
                services.push((name.clone(), pool.chats.clone()));
            }
        }
        routes.aliases = config.aliases.clone();
        routes.default = config.default_stage.clone();
        let chats = Router::new(routes, services)?;
        let access = Access::new(
            &config,
            &Chats::new(chats.clone()),
            before.map(|live| &live.access),
        )?;
        Ok(Self {
            config,
            access,
            pools,
            chats,
        })
    }
}
