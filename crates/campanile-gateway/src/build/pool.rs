//! A pool, and how it is made to follow the settings.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use campanile::{
    budget::Budget,
    collect::{Collect, Sink},
    config::Invalid,
    health::{HealthConfig, HealthHandle, HealthLayer},
    hedge::HedgeHandle,
    retry::RetryLayer,
    timeout::TimeoutLayer,
};
use campanile_llm::{
    account::AccountLayer,
    resume::ResumeLayer,
    route::{Catalogue, ConversationConfig, ConversationLayer, ServingLayer},
};
use tower_layer::Layer;

use super::{
    BuildError, Member, Reloaded, Wires,
    enrol::{Core, Planned, tell_members},
    guards,
    stack::{self, ChatPlug, Directory, Discovery, EmbedPlug, Layers},
    strategy::{self, picks},
    target,
};
use crate::{
    config::{Config, PoolConfig, StrategyConfig},
    gateway::Kept,
};

/// A pool, with what operators see and change of it. Clones are the same pool.
#[derive(Clone)]
pub(crate) struct Pool {
    pub(crate) name: Arc<str>,
    pub(super) chat_plug: ChatPlug,
    pub(super) embed_plug: EmbedPlug,
    shape: Shape,
    handles: Arc<Handles>,
    directory: Directory,
    core: Arc<Core>,
}

/// What the stacks of a pool are made of: where it changes, they are built anew.
#[derive(Debug, Clone, PartialEq)]
struct Shape {
    /// Without members, and without what their guards are made of.
    config: PoolConfig,
    /// Whether members serve different models.
    differ: bool,
    /// For how long at most a member is left alone because its provider says so.
    believed: Duration,
}

/// What is known of a pool beside its members.
#[derive(Debug, Clone, Default)]
struct Handles {
    budget: Option<Budget>,
    hedge: Option<HedgeHandle>,
    health: Option<HealthHandle>,
}

/// What is done once nothing can fail any more.
pub(super) type Commit = Box<dyn FnOnce() + Send>;

/// What pools are made of, and what is told of how they change.
pub(super) struct Plans<'a> {
    pub(super) config: &'a Config,
    pub(super) wires: &'a Wires,
    pub(super) kept: &'a Kept,
    pub(super) told: Reloaded,
    pub(super) commits: Vec<Commit>,
}

// ===== impl Pool =====

impl Pool {
    /// Its members, in the order of their names.
    pub(crate) fn members(&self) -> Vec<Member> {
        let members = self.core.members();
        members.values().map(|one| one.member.clone()).collect()
    }

    /// The provider of a member by itself, without anything around it.
    #[cfg(test)]
    pub(super) fn target(&self, name: &str) -> campanile_llm::provider::Provider<super::Wire> {
        self.core.members()[name].target.provider.clone()
    }

    /// A pool as the settings say. What of `before` can be kept goes on: its members with their measurements and guards, and
    /// its stacks, where nothing of them changes. Nothing is changed there but by the commits.
    pub(super) fn plan(
        name: &str,
        before: Option<&Self>,
        plans: &mut Plans<'_>,
    ) -> Result<Self, BuildError> {
        let config = &plans.config.pools[name];
        let mut planned: Vec<Planned> = Vec::with_capacity(config.members.len());
        let mut removed = Vec::new();
        {
            let known = before.map(|before| before.core.members());
            let known = known.as_deref();
            for member in &config.members {
                let known = known.and_then(|members| members.get(&member.provider));
                let twice = planned
                    .iter()
                    .any(|other| other.config.provider == member.provider);
                let rule = "a provider is a member once; give a server two names to have it twice";
                Invalid::unless(!twice, "pool", "members", &member.provider, rule)?;
                planned.push(Planned::new(config, member, known, plans)?);
            }
            for key in known.into_iter().flat_map(BTreeMap::keys) {
                if !planned.iter().any(|one| one.config.provider == *key) {
                    removed.push(key.clone());
                }
            }
            tell_members(name, known, &planned, &removed, &mut plans.told);
        }
        let shape = Shape::new(config, &planned);
        let reguarded = planned.iter().any(|one| one.stays && !one.guarded);
        let pool = match before {
            Some(before) if before.shape == shape && !reguarded => before.clone(),
            _ => Self::build(name, shape, &planned, before, plans)?,
        };
        let directories = [
            before.map_or(&pool.directory, |before| &before.directory),
            &pool.directory,
        ];
        let directories = directories.map(Arc::clone);
        let core = Arc::clone(&pool.core);
        plans.commits.push(Box::new(move || {
            core.enrol(planned, &removed, &directories)
        }));
        Ok(pool)
    }

    /// Builds the stacks, over the members that there are.
    fn build(
        name: &str,
        shape: Shape,
        planned: &[Planned],
        before: Option<&Self>,
        plans: &mut Plans<'_>,
    ) -> Result<Self, BuildError> {
        if before.is_some_and(|before| before.shape != shape) {
            let what = "it is built anew; its members keep what is measured of them, not what its strategy and its probes know";
            plans.told.anew.push(format!("pool {name}: {what}"));
        }
        let Kept {
            ledger,
            prices,
            metrics,
            ..
        } = plans.kept;
        let metrics = metrics.stage(name);
        let config = &shape.config;
        let mut handles = Handles::new(config, before)?;
        let core = before.map_or_else(Arc::default, |before| Arc::clone(&before.core));
        // Those that leave with the commits are members yet.
        let mut directory: BTreeMap<_, _> = core
            .members()
            .iter()
            .map(|(key, one)| (key.clone(), one.member.guards.clone()))
            .collect();
        for one in planned {
            directory.insert(one.config.provider.clone(), one.guards.clone());
        }
        let directory = Arc::new(Mutex::new(directory));
        let mut members: Discovery = Box::pin(core.roster.changes());
        if let Some(probe) = &config.probe {
            let checks = HealthConfig::default()
                .with_interval(probe.interval)
                .with_unhealthy_interval(probe.interval)
                .with_timeout(probe.timeout);
            let layer = HealthLayer::with_config(target::probe, checks)?;
            handles.health = Some(layer.handle());
            members = Box::pin(layer.layer(members));
        }
        // Told for as long as the pool is there, and not before it is.
        let handles = Arc::new(handles);
        let (told, attached) = (metrics.clone(), Arc::downgrade(&handles));
        plans.commits.push(Box::new(move || {
            told.collect(attached);
        }));
        let catalogue = shape.differ.then(Catalogue::default);
        let conversation = config.strategy == StrategyConfig::Conversation;
        let conversation =
            conversation.then(|| ConversationLayer::new(ConversationConfig::default()));
        let layers = Layers {
            retry: config.retry.clone().map(RetryLayer::new).transpose()?,
            budget: handles.budget.clone(),
            hedge: handles.hedge.clone(),
            resume: config.resume.clone().map(ResumeLayer::new).transpose()?,
            conversation: conversation.transpose()?,
            serving: catalogue.as_ref().map(ServingLayer::new),
            picks: picks(
                config.strategy,
                prices,
                strategy::names(plans.config),
                catalogue.as_ref(),
            )?,
            clocks: TimeoutLayer::new(config.timeouts.clone())?,
            account: AccountLayer::new(ledger, prices).unanswered(&plans.kept.ratios),
            patience: config.patience,
            believed: shape.believed,
            metrics,
            directory: Arc::clone(&directory),
        };
        let (_, embed_plug) = stack::embeds(&layers, Box::pin(core.roster.changes()));
        let (_, chat_plug) = stack::chats(layers, members);
        Ok(Self {
            name: name.into(),
            chat_plug,
            embed_plug,
            shape,
            handles,
            directory,
            core,
        })
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.name)
            .field("members", &self.members())
            .finish_non_exhaustive()
    }
}

// ===== impl Shape =====

impl Shape {
    fn new(config: &PoolConfig, planned: &[Planned]) -> Self {
        let mut offers = planned.iter().map(|one| {
            let said = ["models", "capabilities", "context_window", "max_output"];
            said.map(|name| one.labels.get(name))
        });
        let first = offers.next();
        let differ = first.is_some_and(|first| {
            // What a member says beside its models is looked at where it is alone, too.
            first[1..].iter().any(Option::is_some) || offers.any(|other| other != first)
        });
        let believed = guards::believed(config);
        let config = PoolConfig {
            members: Vec::new(),
            breaker: None,
            concurrency: None,
            ..config.clone()
        };
        Self {
            config,
            differ,
            believed,
        }
    }
}

// ===== impl Handles =====

impl Collect for Handles {
    fn collect(&self, sink: &mut dyn Sink) {
        if let Some(health) = &self.health {
            health.collect(sink);
        }
        if let Some(budget) = &self.budget {
            budget.collect(sink);
        }
        if let Some(hedge) = &self.hedge {
            hedge.collect(sink);
        }
    }
}

impl Handles {
    /// Those of `before`, where what they were made of is equal.
    fn new(config: &PoolConfig, before: Option<&Pool>) -> Result<Self, Invalid> {
        let same_retry = before.filter(|before| before.shape.config.retry == config.retry);
        let same_hedge = before.filter(|before| before.shape.config.hedge == config.hedge);
        let budget = config.retry.as_ref().and_then(|retry| retry.budget);
        Ok(Self {
            budget: match same_retry {
                Some(before) => before.handles.budget.clone(),
                None => budget.map(Budget::new),
            },
            hedge: match same_hedge {
                Some(before) => before.handles.hedge.clone(),
                None => config.hedge.clone().map(HedgeHandle::new).transpose()?,
            },
            health: None,
        })
    }
}
