//! What a file may leave out.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Config, PoolConfig, StageConfig,
    check::Check,
    read::tree::{Key, Node, Place, Value},
    workflow,
};

/// What a pool's settings are if only a part of them is written: the defaults of the layers are for other programs.
pub(super) const PARTS: [(&str, &str, &str); 3] = [
    ("retry", "retry_after", "elsewhere"),
    ("timeouts", "first_data", "60s"),
    ("timeouts", "between_data", "60s"),
];

/// Adds what a written part of a pool's settings leaves out, where the gateway's default is another than the layer's.
pub(super) fn defaults(root: &mut Node) {
    let Some(pools) = root.get_mut("pools") else {
        return;
    };
    let Value::Map(pools) = &mut pools.value else {
        return;
    };
    for (_, pool) in pools {
        for (part, setting, value) in PARTS {
            let Some(part) = pool.get_mut(part) else {
                continue;
            };
            let Value::Map(settings) = &mut part.value else {
                continue;
            };
            let written = settings.iter().position(|(key, _)| key.text == setting);
            match written {
                Some(index) if settings[index].1.is_blank() => {
                    settings[index].1 = Node::text(value)
                }
                Some(_) => {}
                None => {
                    let text = setting.to_owned();
                    let place = Place::default();
                    settings.push((Key { text, place }, Node::text(value)));
                }
            }
        }
    }
}

/// Adds the pools, members and stages that were left out, and says what models they take.
pub(super) fn complete(config: &mut Config, check: &mut Check<'_>) {
    workflow::translate(config, check);
    if config.pools.is_empty() {
        let pool = PoolConfig::default();
        config.pools.insert("default".to_owned(), pool);
    }
    let providers: Vec<_> = config.providers.keys().cloned().collect();
    for pool in config.pools.values_mut() {
        if pool.members.is_empty() {
            pool.members = providers.iter().map(|name| name.as_str().into()).collect();
        }
    }
    let written = !config.stages.is_empty();
    if !written {
        let names = config.pools.keys().cloned();
        config.stages = names.map(|name| (name, StageConfig::default())).collect();
    }
    for stage in config.stages.values_mut() {
        stage.deadline = stage.deadline.or(config.deadline);
    }
    models(config, check);
    defaults_of_stages(config);
}

/// What a pool's members say of their models.
struct Served {
    models: BTreeSet<String>,
    /// Whether one takes whatever it is asked for.
    anything: bool,
}

fn served(config: &Config, stage: &str) -> Served {
    let pool = config.stages[stage].pool.as_deref().unwrap_or(stage);
    let mut served = Served {
        models: BTreeSet::new(),
        anything: false,
    };
    let members = config.pools.get(pool).map(|pool| &pool.members);
    for member in members.into_iter().flatten() {
        if let Some(provider) = config.providers.get(&member.provider) {
            served.anything |= provider.models.is_empty();
            served.models.extend(provider.models.keys().cloned());
        }
    }
    served
}

/// Gives the stages that name no models those of their members. One that several have is no stage's, but for the default one.
fn models(config: &mut Config, check: &mut Check<'_>) {
    let translated = |name: &str| {
        config
            .workflow
            .as_ref()
            .is_some_and(|workflow| workflow.has(name))
    };
    let silent: Vec<String> = config
        .stages
        .iter()
        .filter(|(name, stage)| stage.models.is_empty() && !translated(name))
        .map(|(name, _)| name.clone())
        .collect();
    let served: BTreeMap<_, _> = silent
        .iter()
        .map(|name| (name.clone(), served(config, name)))
        .collect();
    if config.default_stage.is_none()
        && config.stages.len() == 1
        && served.values().all(|served| served.anything)
    {
        config.default_stage = silent.first().cloned();
    }
    let mut claimed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, served) in &served {
        for model in &served.models {
            claimed.entry(model).or_default().push(name);
        }
    }
    let written: BTreeSet<String> = config
        .stages
        .iter()
        .flat_map(|(name, stage)| stage.models.iter().chain([name]))
        .cloned()
        .collect();
    for (model, stages) in &claimed {
        if written.contains(*model) || config.aliases.contains_key(*model) {
            continue;
        }
        let default = config.default_stage.as_deref();
        let one = match stages.as_slice() {
            [one] => Some(*one),
            several => several.iter().copied().find(|name| Some(*name) == default),
        };
        match one.and_then(|one| config.stages.get_mut(one)) {
            Some(stage) => stage.models.push((*model).to_owned()),
            None => check.warn(
                &["stages"],
                format!(
                    "{} could take `{model}`: ask for a stage by its name, or write the model into the `models` of one",
                    stages.join(" and ")
                ),
            ),
        }
    }
}

/// A stage that is asked for by its name asks its members for their default models, where it says nothing itself.
fn defaults_of_stages(config: &mut Config) {
    for (name, stage) in &mut config.stages {
        stage.models.retain(|model| model != name);
        if stage.model.is_some() {
            continue;
        }
        let pool = stage.pool.as_ref().unwrap_or(name);
        let members = config.pools.get(pool).map(|pool| &pool.members);
        for member in members.into_iter().flatten() {
            let Some(provider) = config.providers.get_mut(&member.provider) else {
                continue;
            };
            if provider.models.contains_key(name) {
                continue;
            }
            if let Some(model) = provider.model_by_default(&member.provider) {
                provider.stages.insert(name.clone(), model);
            }
        }
    }
}
