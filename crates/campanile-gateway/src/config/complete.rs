//! What a file may leave out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{
    Config, PoolConfig, StageConfig,
    check::{Check, fits},
    read::tree::{Key, Node, Place, Value},
    workflow,
};

/// Where the gateway's default of a pool's settings is another than the layer's, which is for other programs: the path, and the
/// gateway's.
pub(super) fn differences() -> Vec<(Vec<String>, Json)> {
    fn compare(
        path: &mut Vec<String>,
        ours: &Json,
        layers: &Json,
        out: &mut Vec<(Vec<String>, Json)>,
    ) {
        match (ours, layers) {
            (Json::Object(ours), Json::Object(layers)) => {
                for (name, ours) in ours {
                    path.push(name.clone());
                    compare(path, ours, layers.get(name).unwrap_or(&Json::Null), out);
                    path.pop();
                }
            }
            (ours, layers) if ours == layers => {}
            (ours, _) => out.push((path.clone(), ours.clone())),
        }
    }
    let ours = json(&PoolConfig::default());
    let parts = ours.as_object().into_iter().flatten();
    // What a part is where all that is written of it is that it is there.
    let parts = parts.filter(|(_, part)| part.is_object());
    let empty: serde_json::Map<_, _> = parts
        .map(|(name, _)| (name.clone(), Json::Object(serde_json::Map::new())))
        .collect();
    let mut out = Vec::new();
    if let Ok(layers) = serde_json::from_value::<PoolConfig>(Json::Object(empty)) {
        compare(&mut Vec::new(), &ours, &json(&layers), &mut out);
    }
    out
}

fn json(pool: &PoolConfig) -> Json {
    serde_json::to_value(pool).unwrap_or_default()
}

/// Adds what a written part of a pool's settings leaves out, where the gateway's default is another than the layer's.
pub(super) fn defaults(root: &mut Node) {
    let Some(pools) = root.get_mut("pools") else {
        return;
    };
    let Value::Map(pools) = &mut pools.value else {
        return;
    };
    let differences = differences();
    for (_, pool) in pools {
        begin_below_cap(pool);
        for (path, value) in &differences {
            // What is not there at all is the pool's own default.
            let Some((part, rest)) = path.split_first() else {
                continue;
            };
            match pool.get_mut(part) {
                Some(part) if !part.is_blank() => fill(part, rest, value),
                _ => {}
            }
        }
    }
}

/// Puts a value where nothing is written.
fn fill(node: &mut Node, path: &[String], value: &Json) {
    let (Some((name, rest)), Value::Map(settings)) = (path.split_first(), &mut node.value) else {
        return;
    };
    let missing = || match rest.is_empty() {
        true => Node::json(value),
        false => Node::new(Value::Map(Vec::new())),
    };
    let index = settings.iter().position(|(key, _)| key.text == *name);
    let index = index.unwrap_or_else(|| {
        let (text, place) = (name.clone(), Place::default());
        settings.push((Key { text, place }, missing()));
        settings.len() - 1
    });
    let setting = &mut settings[index].1;
    if setting.is_blank() {
        setting.value = missing().value;
    }
    fill(setting, rest, value);
}

/// A budget of retries that is smaller than the one by default begins full.
fn begin_below_cap(pool: &mut Node) {
    let budget = pool
        .get_mut("retry")
        .and_then(|retry| retry.get_mut("budget"));
    let Some(Node {
        value: Value::Map(settings),
        ..
    }) = budget
    else {
        return;
    };
    let has = |name: &str| {
        settings
            .iter()
            .any(|(key, value)| key.text == name && !value.is_blank())
    };
    let cap = settings.iter().find(|(key, _)| key.text == "cap");
    let Some((_, cap)) = cap.filter(|_| !has("initial")) else {
        return;
    };
    let Value::Scalar(scalar) = &cap.value else {
        return;
    };
    let retry = PoolConfig::default().retry;
    let initial = retry
        .and_then(|retry| retry.budget)
        .map(|budget| budget.initial);
    let cap_is: Option<f64> = scalar.text.trim().parse().ok();
    if cap_is
        .zip(initial)
        .is_some_and(|(cap, initial)| cap < initial)
    {
        let text = "initial".to_owned();
        let place = cap.place;
        let value = Node {
            place,
            ..Node::new(cap.value.clone())
        };
        settings.retain(|(key, _)| key.text != "initial");
        settings.push((Key { text, place }, value));
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
    unnamed(config, check);
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

/// Warns of models that members have and nobody can ask for: stages of `workflow` take only their own names.
fn unnamed(config: &Config, check: &mut Check<'_>) {
    let Some(workflow) = &config.workflow else {
        return;
    };
    if config.default_stage.is_some() {
        return;
    }
    let taken = |model: &String| {
        config.aliases.contains_key(model)
            || config.stages.iter().any(|(name, stage)| {
                let mut own = stage.models.iter().chain([name]);
                own.any(|own| fits(own, model))
            })
    };
    for (name, provider) in &config.providers {
        let stages: Vec<&str> = config
            .pools
            .iter()
            .filter(|(pool, _)| workflow.has(pool))
            .filter(|(_, pool)| pool.members.iter().any(|member| member.provider == *name))
            .map(|(pool, _)| pool.as_str())
            .collect();
        if stages.is_empty() {
            continue;
        }
        let asked: BTreeSet<&String> = provider.stages.values().collect();
        for (callers, its) in &provider.models {
            let its = its.as_ref().unwrap_or(callers);
            if !taken(callers) && !asked.contains(its) {
                check.warn(
                    &["providers", name, "models", callers],
                    format!(
                        "nobody can ask for `{callers}`: stages of `workflow` take only their own names ({}); write a stage with it in `models`",
                        stages.join(", ")
                    ),
                );
            }
        }
    }
}
