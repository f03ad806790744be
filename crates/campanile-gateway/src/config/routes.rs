//! Which stage takes which models, and what its members are asked for then. The settings are complete.

use std::collections::BTreeSet;

use campanile::config::Invalid;
use campanile_llm::route::{GroupConfig, Pattern, RouterConfig, Routes};

use super::{Config, MemberConfig, ProviderSection};

/// The routes that the settings make, between the stages.
pub(crate) fn routes(config: &Config) -> RouterConfig {
    let mut routes = RouterConfig::default();
    for (name, stage) in &config.stages {
        let mut group = GroupConfig::models([name]);
        // What a stage takes that names no models has been decided, and written there.
        let models = stage.models.iter().filter(|model| *model != name);
        group.models.extend(models.cloned());
        // Without one the members know the stage by its name.
        if let Some(model) = &stage.model {
            group = group.with_rename(name, model);
        }
        group.model.clone_from(&stage.model);
        group.context_window = stage.context_window;
        group.fallbacks = stage.fallbacks.clone();
        routes = routes.with_group(name, group);
    }
    routes.aliases.clone_from(&config.aliases);
    routes.default.clone_from(&config.default_stage);
    routes
}

/// What members are asked for, by what callers ask for.
pub(crate) struct Offers<'a> {
    config: &'a Config,
    routes: Routes<()>,
}

/// What a member of a stage's pool is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer<'a> {
    pub(crate) stage: &'a str,
    pub(crate) member: &'a MemberConfig,
    /// What the stage calls the model. A pattern stands for all names of its form.
    pub(crate) model: &'a str,
    /// What the provider calls it.
    pub(crate) its: &'a str,
}

/// Every name.
const ANY: &str = "*";

// ===== impl Offers =====

impl<'a> Offers<'a> {
    /// # Errors
    ///
    /// When the routes break a rule.
    pub(crate) fn new(config: &'a Config) -> Result<Self, Invalid> {
        let stages = config.stages.keys().map(|name| (name.as_str(), ()));
        let routes = Routes::new(routes(config), stages)?;
        Ok(Self { config, routes })
    }

    /// What callers can ask for: every name that is written somewhere and has a stage.
    pub(crate) fn names(&self) -> BTreeSet<&'a str> {
        let Config {
            stages,
            providers,
            aliases,
            ..
        } = self.config;
        let of_stages = stages.iter();
        let of_stages = of_stages.flat_map(|(name, stage)| stage.models.iter().chain([name]));
        let of_providers = providers.values().flat_map(|one| one.models.keys());
        let all = of_stages.chain(of_providers).chain(aliases.keys());
        let all = all.map(String::as_str);
        all.filter(|name| !is_pattern(name) && self.stage(name).is_some())
            .collect()
    }

    /// The patterns of names that callers can ask for.
    pub(crate) fn patterns(&self) -> BTreeSet<&'a str> {
        let models = self.config.stages.values().flat_map(|stage| &stage.models);
        let default = self.config.default_stage.as_ref().map(|_| ANY);
        let patterns = models.map(String::as_str).chain(default);
        patterns.filter(|name| is_pattern(name)).collect()
    }

    /// The stage that takes what is asked for: a name, an alias or one of the patterns.
    pub(crate) fn stage(&self, asked: &str) -> Option<&'a str> {
        let stages = &self.config.stages;
        if is_pattern(asked) {
            let mut owners = stages.iter();
            let owner = owners.find(|(_, stage)| stage.models.iter().any(|model| model == asked));
            let default = || self.config.default_stage.as_ref();
            return owner
                .map(|(name, _)| name)
                .or_else(default)
                .map(|name| &**name);
        }
        let owner = self.routes.group_of(asked)?;
        stages.get_key_value(owner).map(|(name, _)| name.as_str())
    }

    /// A stage, and those that its calls may go to when they fail there, one after the other.
    pub(crate) fn reached(&self, stage: &'a str) -> Vec<&'a str> {
        let mut reached = vec![stage];
        let mut next = 0;
        while let Some(stage) = reached
            .get(next)
            .and_then(|name| self.config.stages.get(*name))
        {
            let fallbacks = &stage.fallbacks;
            let targets = fallbacks.classes.values().chain(&fallbacks.otherwise);
            for target in targets {
                if !reached.contains(&target.as_str()) {
                    reached.push(target);
                }
            }
            next += 1;
        }
        reached
    }

    /// What the members of a stage are asked for, when a call comes there that asked for this.
    pub(crate) fn at(&self, stage: &'a str, asked: &'a str) -> Vec<Offer<'a>> {
        let Config {
            stages,
            providers,
            pools,
            aliases,
            ..
        } = self.config;
        let asked = aliases.get(asked).map_or(asked, String::as_str);
        let Some(section) = stages.get(stage) else {
            return Vec::new();
        };
        let owned = match is_pattern(asked) {
            true => section.models.iter().any(|model| model == asked),
            false => asked != stage && self.routes.owner(asked) == Some(stage),
        };
        let model = match &section.model {
            Some(model) if !owned => model,
            _ => asked,
        };
        let members = pools.get(section.pool.as_deref().unwrap_or(stage));
        let members = members.into_iter().flat_map(|pool| &pool.members);
        let members: Vec<_> = members
            .filter_map(|member| Some((member, providers.get(&member.provider)?)))
            .collect();
        let offer = |member, its| Offer {
            stage,
            member,
            model,
            its,
        };
        let known = members.iter().filter_map(|(member, provider)| {
            its(provider, stage, model).map(|its| offer(*member, its))
        });
        let known: Vec<_> = known.collect();
        if !known.is_empty() || is_pattern(model) {
            return known;
        }
        // Nobody says that it has it, and all are asked for it.
        members.iter().map(|(one, _)| offer(one, model)).collect()
    }
}

/// What a provider calls a model that a stage asks it for, if it has it.
fn its<'a>(provider: &'a ProviderSection, stage: &str, model: &'a str) -> Option<&'a str> {
    if let Some(its) = provider.models.get(model) {
        return Some(its.as_ref().map_or(model, String::as_str));
    }
    let by_default = provider.stages.get(stage).filter(|_| model == stage);
    let anything = || provider.models.is_empty().then_some(model);
    by_default.map(String::as_str).or_else(anything)
}

fn is_pattern(name: &str) -> bool {
    Pattern::parse(name).is_some()
}
