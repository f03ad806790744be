//! Makes pools, stages and routes of the settings, and makes them anew when the settings change.
//!
//! A change is planned first: everything that can fail is tried, and everything new is built, while calls go on as before. Only
//! then is it put into force: members join and leave, limits are moved, and the new whole takes the place of the old one in one
//! step. So a setting that cannot be changes nothing.
//!
//! What outlives a change lies in handles, which stacks share: breakers, limits, budgets, measurements. Stacks themselves are
//! kept where nothing of them changes, and are otherwise built anew over the same roster and the same handles. Calls that are
//! under way hold what they need of the old ones.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use campanile::{
    BoxError, Call,
    config::Invalid,
    spend_limit::{Enforce, SpendBudget, SpendLimitConfig},
};
use campanile_llm::{
    Error,
    chat::{ChatRequest, ChatResponse},
    embed::{EmbeddingRequest, EmbeddingResponse},
    estimate::{EstimateConfig, EstimateLayer, Estimator},
    price::{PriceList, Prices},
    route::Router,
};
use thiserror::Error as ThisError;

use crate::{
    access::{Access, Routed},
    config::Config,
    gateway::Kept,
};

mod around;
mod chats;
mod enrol;
pub(crate) mod guards;
mod holder;
mod limits;
mod member;
mod pool;
mod reloaded;
mod routes;
mod stack;
mod stage;
mod stash;
mod strategy;
mod target;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use chats::ServesChats;
pub(crate) use guards::Guards;
pub(crate) use holder::{Holder, Name};
pub(crate) use limits::Limits;
pub(crate) use member::{Member, MemberSnapshot};
pub(crate) use pool::Pool;
pub use reloaded::{Changes, Reloaded};
pub(crate) use stage::Stage;
pub(crate) use stash::Erased;
pub(crate) use wire::{Wire, Wires};

use pool::{Commit, Plans};

/// A service of chats, whatever is in it.
pub(crate) type Chats = Erased<Call<ChatRequest>, ChatResponse, Error>;
/// A service of embeddings, whatever is in it.
pub(crate) type Embeds = Erased<Call<EmbeddingRequest>, EmbeddingResponse, Error>;

/// What calls go by: made of the settings, and replaced as a whole when they change.
pub(crate) struct Live {
    pub(crate) config: Arc<Config>,
    /// Who may call, each with the services that it calls.
    pub(crate) access: Access,
    pub(crate) pools: BTreeMap<String, Pool>,
    pub(crate) stages: BTreeMap<String, Stage>,
    /// The limits of all calls together.
    pub(crate) limits: Limits,
    pub(crate) chats: Router<Chats>,
    pub(crate) embeds: Router<Embeds>,
    wires: Wires,
}

/// What is to take the place of what is.
pub(crate) struct Planned {
    pub(crate) live: Live,
    pub(crate) told: Reloaded,
    commits: Vec<Commit>,
}

/// Why a gateway cannot be made.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting cannot be.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// The file with prices cannot be read, or breaks a rule.
    #[error("prices: {}: {message}", path.display())]
    Prices {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
}

// ===== impl Live =====

impl Live {
    /// What the settings make; what is equal `before` keeps its state. Nothing is changed there.
    pub(crate) fn plan(
        config: Config,
        kept: &Kept,
        before: Option<&Self>,
    ) -> Result<Planned, BuildError> {
        let wires = Wires::new(config.http.clone(), before.map(|before| &before.wires))?;
        let prices = prices(&config)?;
        let mut plans = Plans {
            config: &config,
            wires: &wires,
            kept,
            told: Reloaded::default(),
            commits: Vec::new(),
        };
        let mut pools = BTreeMap::new();
        for name in config.pools.keys() {
            let before = before.and_then(|before| before.pools.get(name));
            pools.insert(name.clone(), Pool::plan(name, before, &mut plans)?);
        }
        let limits = Limits::new(&config.limits, before.map(|before| &before.limits))?;
        if limits.anew {
            let what =
                "limits: they are of another kind, or waited for in another way: they begin anew";
            plans.told.anew.push(what.to_owned());
        }
        let mut stages = BTreeMap::new();
        for (name, stage) in &config.stages {
            let pool = stage.pool.as_deref().unwrap_or(name);
            let rule = "it must be a pool";
            let Some(pool) = pools.get(pool) else {
                return Err(Invalid {
                    concern: "stage",
                    field: "pool",
                    value: format!("{pool:?}"),
                    rule,
                }
                .into());
            };
            let before = before.and_then(|before| before.stages.get(name));
            let stage = Stage::plan(name, pool, &limits, before, &mut plans)?;
            stages.insert(name.clone(), stage);
        }
        let (chats, embeds) = routes::routers(&config, &stages, before)?;
        let estimator = estimator(&config, &prices, kept)?;
        let routed = Routed {
            chats: &chats,
            embeds: &embeds,
            estimate: &EstimateLayer::shared(&estimator),
        };
        let Plans {
            mut told,
            mut commits,
            ..
        } = plans;
        if let Some(before) = before {
            if !before.config.keys.is_empty() && config.keys.is_empty() {
                let what =
                    "keys: there are none any more: everybody who reaches the gateway may call";
                told.anew.push(what.to_owned());
            }
            compare(&before.config, &config, &mut told);
            let (now, then) = (before.limits.clone(), limits.clone());
            commits.push(Box::new(move || then.settle(&now)));
            let names = before.pools.keys().chain(before.stages.keys());
            let gone = names.filter(|name| {
                !config.pools.contains_key(*name) && !config.stages.contains_key(*name)
            });
            let (gone, metrics): (Vec<_>, _) = (gone.cloned().collect(), kept.metrics.clone());
            commits.push(Box::new(move || {
                for name in &gone {
                    metrics.forget(name);
                }
            }));
        }
        let known = kept.prices.clone();
        commits.push(Box::new(move || {
            // It was checked.
            let _ = known.replace(&prices);
        }));
        // Last, as nothing may fail after it: it moves limits of keys where they are.
        let access = Access::new(&config, &routed, before.map(|live| &live.access))?;
        Ok(Planned {
            live: Self {
                config: Arc::new(config),
                access,
                pools,
                stages,
                limits,
                chats,
                embeds,
                wires,
            },
            told,
            commits,
        })
    }
}

// ===== impl Planned =====

impl Planned {
    /// Puts it into force, but for the whole, which is to take its place.
    pub(crate) fn commit(self) -> (Live, Reloaded) {
        self.commits.into_iter().for_each(|commit| commit());
        (self.live, self.told)
    }
}

/// The list of prices, checked.
fn prices(config: &Config) -> Result<PriceList, BuildError> {
    let Some(path) = &config.prices else {
        return Ok(PriceList::default());
    };
    let read = || -> Result<PriceList, BoxError> {
        let list = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        Prices::new(&list)?;
        Ok(list)
    };
    read().map_err(|error| BuildError::Prices {
        path: path.clone(),
        message: error.to_string(),
    })
}

/// What tells calls what they will take, and goes on to learn where it stands.
fn estimator(config: &Config, prices: &PriceList, kept: &Kept) -> Result<Estimator, BuildError> {
    let tell_most = refuses(config);
    let mut estimates = EstimateConfig::default()
        .with_tell_most(tell_most)
        .with_most_output(config.most_output);
    // It was checked.
    let prices = Prices::new(prices).unwrap_or_default();
    // Only what is reserved for all that may come looks beyond the stage that is asked.
    for (asked, serves) in routes::serves(config, &prices, tell_most)? {
        estimates = estimates.with_serves(asked, serves);
    }
    Ok(Estimator::new(estimates)?
        .calibrated(&kept.ratios)
        .lengths(&kept.lengths)
        .prices(&kept.prices))
}

/// Whether there is a budget that is never to be exceeded.
fn refuses(config: &Config) -> bool {
    let keys = config.keys.values().flat_map(|key| &key.budgets);
    let stages = config.stages.values().flat_map(|stage| &stage.budgets);
    keys.chain(stages)
        .any(|budget| budget.enforce == Enforce::Refuse)
}

/// What budgets share, of keys and of stages: what has no price costs nothing.
pub(crate) fn spending(budgets: &[SpendBudget]) -> SpendLimitConfig {
    let mut config = SpendLimitConfig::default().with_assumed_money(0);
    config.budgets = budgets.to_vec();
    config
}

/// Tells what is another in the settings.
fn compare(before: &Config, after: &Config, told: &mut Reloaded) {
    told.pools = Changes::between(&before.pools, &after.pools);
    told.stages = Changes::between(&before.stages, &after.stages);
    told.keys = Changes::between(&before.keys, &after.keys);
    if before.listen != after.listen {
        let what = format!("listen: {} counts from the next start", after.listen);
        told.ignored.push(what);
    }
    if before.admin.listen != after.admin.listen {
        let what = match after.admin.listen {
            Some(address) => format!("admin.listen: {address} counts from the next start"),
            None => "admin.listen: it goes on as it was, until the next start".to_owned(),
        };
        told.ignored.push(what);
    }
    let most = after.server.max_connections;
    if before.server.max_connections != most {
        let what = format!("server.max_connections: {most} counts from the next start");
        told.ignored.push(what);
    }
    let log = |config: &Config| (config.log.filter.clone(), config.log.format);
    if log(before) != log(after) {
        let what = "log: filter and format go on as they were, until the next start".to_owned();
        told.ignored.push(what);
    }
}
