use campanile::spend_limit::{Enforce, SpendBudget, SpendLimitConfig, SpendUnit};
use campanile_llm::route::Pattern;

use super::{Check, pools::too_small};
use crate::config::{Config, StageConfig, routes};

// ===== impl Check =====

impl Check<'_> {
    pub(super) fn stages(&mut self, config: &Config) {
        for (name, stage) in &config.stages {
            self.stage(name, stage, config);
        }
        if let Some(stage) = &config.default_stage {
            self.named(&["default_stage"], "stage", stage, config.stages.keys());
        }
        let used = |pool: &String| {
            let mut stages = config.stages.iter();
            stages.any(|(name, stage)| stage.pool.as_ref().unwrap_or(name) == pool)
        };
        for name in config.pools.keys().filter(|name| !used(name)) {
            self.warn(&["pools", name], "no stage has it: nothing goes there");
        }
    }

    fn stage(&mut self, name: &str, stage: &StageConfig, config: &Config) {
        let path = |field| ["stages", name, field];
        if name.is_empty() {
            self.wrong(&["stages", name], "a stage must have a name");
        }
        match &stage.pool {
            Some(pool) => self.named(&path("pool"), "pool", pool, config.pools.keys()),
            None if config.pools.contains_key(name) => {}
            None => {
                let message = format!("it has no `pool`, and there is no pool `{name}`");
                self.wrong(&["stages", name], message);
            }
        }
        for (index, model) in stage.models.iter().enumerate() {
            let position = format!("[{index}]");
            let path = ["stages", name, "models", &position];
            self.rule(
                !model.is_empty(),
                &path,
                "a name of a model must not be empty",
            );
        }
        let window = stage.context_window != Some(0);
        let above = "it is 0: it must be above 0";
        self.rule(window, &path("context_window"), above);
        let deadline = stage.deadline.is_none_or(|deadline| !deadline.is_zero());
        self.rule(deadline, &path("deadline"), above);
        let otherwise = stage.fallbacks.otherwise.iter();
        let otherwise = otherwise.map(|target| ("otherwise", target));
        let classes = stage.fallbacks.classes.iter();
        let classes = classes.map(|(class, target)| (class.name(), target));
        for (class, target) in otherwise.chain(classes) {
            let path = ["stages", name, "fallbacks", class];
            if target == name {
                self.wrong(&path, "it is the stage itself: it must be another");
            }
            self.named(&path, "stage", target, config.stages.keys());
        }
        self.limits(&path("limits"), &stage.limits);
        self.budgets(&path("budgets"), &stage.budgets, config);
    }

    pub(super) fn budgets(&mut self, path: &[&str], budgets: &[SpendBudget], whole: &Config) {
        if budgets.is_empty() {
            return;
        }
        for (index, budget) in budgets.iter().enumerate() {
            let position = format!("[{index}]");
            let at = [path, &[&position]].concat();
            if budget.unit == SpendUnit::Money && whole.prices.is_none() {
                self.warn(
                    &at,
                    "there are no `prices`: no call has a known price, and this budget is not kept",
                );
            }
            // It reserves the most that a call can take.
            let needs = whole.most_output;
            let refuses = budget.enforce == Enforce::Refuse && budget.unit == SpendUnit::Tokens;
            if refuses && (1..=needs).contains(&budget.limit) {
                let at = [path, &[&position, "limit"]].concat();
                self.warn(&at, too_small(&budget.limit.to_string(), needs));
            }
        }
        let mut config = SpendLimitConfig::default();
        config.budgets = budgets.to_vec();
        if let Err(invalid) = config.build() {
            self.wrong(
                path,
                format!("{} is {}: {}", invalid.field, invalid.value, invalid.rule),
            );
        }
    }

    /// Which stage takes which model.
    pub(super) fn routes(&mut self, config: &Config) {
        let mut owners: Vec<(&str, &str)> = Vec::new();
        for (name, stage) in &config.stages {
            let own = std::iter::once(name).chain(&stage.models);
            for model in own {
                let other = owners.iter().find(|(known, _)| known == model);
                if let Some((_, other)) = other {
                    let index = stage.models.iter().position(|own| own == model);
                    let position = format!("[{}]", index.unwrap_or_default());
                    let message = match other == name {
                        true => format!("`{model}` is written twice, or is the stage's own name"),
                        false => format!("stage `{other}` takes `{model}` already: one stage must"),
                    };
                    self.wrong(&["stages", name, "models", &position], message);
                }
                owners.push((model, name));
            }
        }
        for (alias, model) in &config.aliases {
            let path = ["aliases", alias.as_str()];
            if owners.iter().any(|(known, _)| known == alias) {
                self.wrong(&path, format!("`{alias}` is a model or a stage already"));
            }
            if config.aliases.contains_key(model) {
                self.wrong(&path, format!("`{model}` is an alias too: name the model"));
            }
            let served = config.default_stage.is_some()
                || owners.iter().any(|(known, _)| fits(known, model));
            if !served {
                let known: Vec<_> = owners.iter().map(|(known, _)| *known).collect();
                let hint = crate::config::read::suggest::instead(
                    model,
                    known.iter().copied(),
                    "there are",
                );
                self.wrong(&path, format!("no stage takes `{model}`{hint}"));
            }
        }
        if self.well()
            && let Err(invalid) = routes(config).build()
        {
            let stage = invalid.value.trim_matches('"');
            let path = ["stages", stage, invalid.field];
            self.wrong(&path, invalid.rule);
        }
    }
}

/// Whether a name, or a pattern with `*`, is that of a model.
pub(crate) fn fits(pattern: &str, model: &str) -> bool {
    match Pattern::parse(pattern) {
        Some(pattern) => pattern.matches(model),
        None => pattern == model,
    }
}
