//! Which stage takes which models.

use std::collections::{BTreeMap, BTreeSet};

use campanile::config::Invalid;
use campanile_llm::route::{GroupConfig, Router, RouterConfig};

use super::{Chats, Embeds, Live, Stage};
use crate::config::{Config, ProviderSection, StageConfig};

/// The routers over the stages. Those of before, where they route alike.
pub(super) fn routers(
    config: &Config,
    stages: &BTreeMap<String, Stage>,
    before: Option<&Live>,
) -> Result<(Router<Chats>, Router<Embeds>), Invalid> {
    let routes = routes(config);
    let same = before.filter(|before| {
        before.stages.len() == stages.len()
            && stages
                .values()
                .zip(before.stages.values())
                .all(|(now, then)| now.name == then.name && now.is(then))
            && *before.chats.handle().routes().config() == routes
    });
    if let Some(before) = same {
        return Ok((before.chats.clone(), before.embeds.clone()));
    }
    let chats = stages
        .values()
        .map(|stage| (&*stage.name, stage.chats.clone()));
    let embeds = stages
        .values()
        .map(|stage| (&*stage.name, stage.embeds.clone()));
    Ok((
        Router::new(routes.clone(), chats)?,
        Router::new(routes, embeds)?,
    ))
}

fn routes(config: &Config) -> RouterConfig {
    let mut routes = RouterConfig::default();
    for (name, stage) in &config.stages {
        let mut group = GroupConfig::models([name]);
        // The settings are complete: what a stage takes that names no models has been decided, and written there.
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

/// The providers of a stage's pool, by name.
fn members<'a>(
    config: &'a Config,
    name: &'a str,
    stage: &'a StageConfig,
) -> impl Iterator<Item = (&'a String, &'a ProviderSection)> {
    let pool = config.pools.get(stage.pool.as_deref().unwrap_or(name));
    let members = pool.into_iter().flat_map(|pool| &pool.members);
    members.filter_map(|member| config.providers.get_key_value(&member.provider))
}

/// What serves what is asked for, as `provider/model`: by what it costs at most calls are estimated.
pub(super) fn serves(config: &Config) -> BTreeMap<String, Vec<String>> {
    let mut serves: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |asked: &str, provider: &str, its: &str| {
        let its = format!("{provider}/{its}");
        serves.entry(asked.to_owned()).or_default().insert(its);
    };
    for (name, stage) in &config.stages {
        for (provider, section) in members(config, name, stage) {
            for (asked, its) in &section.models {
                add(asked, provider, its.as_ref().unwrap_or(asked));
            }
            let its = |model: &String| match section.models.get(model) {
                Some(Some(its)) => its.clone(),
                _ => model.clone(),
            };
            let default = stage.model.as_ref().map(its);
            if let Some(model) = default.or_else(|| section.stages.get(name).cloned()) {
                add(name, provider, &model);
            }
        }
    }
    let mut serves: BTreeMap<_, Vec<_>> = serves
        .into_iter()
        .map(|(asked, models)| (asked, models.into_iter().collect()))
        .collect();
    for (alias, model) in &config.aliases {
        if let Some(models) = serves.get(model).cloned() {
            serves.insert(alias.clone(), models);
        }
    }
    serves
}
