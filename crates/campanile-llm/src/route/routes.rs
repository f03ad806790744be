use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use campanile::config::Invalid;
use serde::Serialize;

use super::{Pattern, RouterConfig, unknown::unknown};
use crate::error::{Class, Error};

/// The groups of a [`Router`](super::Router), with their services: what is replaced as a whole when it changes.
pub struct Routes<S> {
    config: RouterConfig,
    pub(super) groups: Box<[Group<S>]>,
    /// Models by name, and the groups that have them.
    models: HashMap<String, usize>,
    /// The pattern that tells most of a name first.
    patterns: Vec<(Pattern, usize)>,
    default: Option<usize>,
    unknown: AtomicU64,
}

pub(super) struct Group<S> {
    pub(super) name: String,
    pub(super) service: S,
    pub(super) context_window: Option<u64>,
    /// By class, in the order of [`Class::ALL`].
    fallbacks: [Option<usize>; Class::ALL.len()],
    fell_back: AtomicU64,
}

/// What a router knows, and what has happened since its routes were set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RouterSnapshot {
    /// The groups, by name.
    pub groups: Vec<GroupSnapshot>,
    /// How many calls asked for a model that nobody has.
    pub unknown: u64,
}

/// One group of a [`RouterSnapshot`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GroupSnapshot {
    /// Its name.
    pub name: String,
    /// The models that it has, names and patterns.
    pub models: Vec<String>,
    /// How many calls went from here to another group: they failed, or were estimated to be too long.
    pub fell_back: u64,
}

// ===== impl Routes =====

impl<S> Routes<S> {
    /// Puts services to the groups of a configuration.
    ///
    /// # Errors
    ///
    /// As [`RouterConfig::build`], and when a group has no service, or a service no group.
    pub fn new<N: Into<String>>(
        config: RouterConfig,
        services: impl IntoIterator<Item = (N, S)>,
    ) -> Result<Self, Invalid> {
        let config = config.build()?;
        let mut services: BTreeMap<String, S> = services
            .into_iter()
            .map(|(name, service)| (name.into(), service))
            .collect();
        let numbers: HashMap<&str, usize> =
            config.groups.keys().map(String::as_str).zip(0..).collect();
        let number = |name: &str| numbers.get(name).copied();
        let mut groups = Vec::with_capacity(config.groups.len());
        for (name, group) in &config.groups {
            let Some(service) = services.remove(name) else {
                return Err(no_match(name, "it must have a service"));
            };
            groups.push(Group {
                name: name.clone(),
                service,
                context_window: group.context_window,
                fallbacks: Class::ALL.map(|class| group.fallbacks.of(class).and_then(number)),
                fell_back: AtomicU64::new(0),
            });
        }
        if let Some(name) = services.keys().next() {
            return Err(no_match(name, "a service must be that of a group"));
        }
        let mut models = HashMap::new();
        let mut patterns = Vec::new();
        for (index, group) in config.groups.values().enumerate() {
            for model in &group.models {
                match Pattern::parse(model) {
                    Some(pattern) => patterns.push((pattern, index)),
                    None => drop(models.insert(model.clone(), index)),
                }
            }
        }
        patterns.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.letters()));
        let default = config.default.as_deref().and_then(number);
        Ok(Self {
            groups: groups.into(),
            models,
            patterns,
            default,
            unknown: AtomicU64::new(0),
            config,
        })
    }

    /// What they were made from.
    #[must_use]
    pub const fn config(&self) -> &RouterConfig {
        &self.config
    }

    /// The service of a group.
    #[must_use]
    pub fn service(&self, group: &str) -> Option<&S> {
        let group = self.groups.iter().find(|one| one.name == group)?;
        Some(&group.service)
    }

    /// The name of the group that takes calls for a model.
    #[must_use]
    pub fn group_of(&self, model: &str) -> Option<&str> {
        let index = self.find(self.canonical(model))?;
        Some(&self.groups[index].name)
    }

    /// Every model that can be asked for by name, aliases included, in their order: what a list of models tells. Patterns are
    /// not among them.
    #[must_use]
    pub fn models(&self) -> Vec<&str> {
        let mut models: Vec<_> = self.known().collect();
        models.sort_unstable();
        models
    }

    fn known(&self) -> impl Iterator<Item = &str> + Clone {
        let aliases = self.config.aliases.keys();
        aliases.chain(self.models.keys()).map(String::as_str)
    }

    /// The group that has a model, or what an alias stands for, by name or by pattern; not the one that takes by default what no
    /// other has.
    #[must_use]
    pub fn owner(&self, model: &str) -> Option<&str> {
        let model = self.canonical(model);
        let named = self.models.get(model).copied();
        let group = named.or_else(|| self.by_pattern(model))?;
        Some(&self.groups[group].name)
    }

    /// What is known, and what has happened since the routes were made.
    #[must_use]
    pub fn snapshot(&self) -> RouterSnapshot {
        let groups = self.groups.iter().zip(self.config.groups.values());
        RouterSnapshot {
            groups: groups
                .map(|(group, config)| GroupSnapshot {
                    name: group.name.clone(),
                    models: config.models.clone(),
                    fell_back: group.fell_back.load(Ordering::Relaxed),
                })
                .collect(),
            unknown: self.unknown.load(Ordering::Relaxed),
        }
    }

    /// The name that an alias stands for.
    pub(super) fn canonical<'a>(&'a self, model: &'a str) -> &'a str {
        self.config.aliases.get(model).map_or(model, String::as_str)
    }

    /// The group that takes calls for a model, which is no alias.
    pub(super) fn find(&self, model: &str) -> Option<usize> {
        let named = self.models.get(model).copied();
        named.or_else(|| self.by_pattern(model)).or(self.default)
    }

    fn by_pattern(&self, model: &str) -> Option<usize> {
        let found = self
            .patterns
            .iter()
            .find(|(pattern, _)| pattern.matches(model));
        found.map(|(_, group)| *group)
    }

    /// What a group calls a model.
    pub(super) fn name_at<'a>(&'a self, group: usize, model: &'a str) -> &'a str {
        let Some(config) = self.config.groups.get(&self.groups[group].name) else {
            return model;
        };
        if let Some(name) = config.rename.get(model) {
            return name;
        }
        let named = self.models.get(model).copied();
        let its_own = named.or_else(|| self.by_pattern(model)) == Some(group);
        match &config.model {
            Some(name) if !its_own => name,
            _ => model,
        }
    }

    /// Where calls go that fail in a group by an error of this class.
    pub(super) fn fallback(&self, group: usize, class: Class) -> Option<usize> {
        self.groups[group]
            .fallbacks
            .get(place(class))
            .copied()
            .flatten()
    }

    /// Whether calls that fail in a group may go elsewhere at all.
    pub(super) fn falls_back(&self, group: usize) -> bool {
        self.groups[group].fallbacks.iter().any(Option::is_some)
    }

    pub(super) fn count_fallback(&self, group: usize) {
        self.groups[group].fell_back.fetch_add(1, Ordering::Relaxed);
    }

    /// The error for a model that nobody has.
    #[cold]
    pub(super) fn refuse(&self, model: &str) -> Error {
        self.unknown.fetch_add(1, Ordering::Relaxed);
        // In their order, so that the same question has the same answer.
        let known = self.models();
        unknown(model, known.iter().copied())
    }
}

/// The place of a class in [`Class::ALL`].
pub(super) fn place(class: Class) -> usize {
    let place = Class::ALL.iter().position(|one| *one == class);
    place.unwrap_or(usize::MAX)
}

fn no_match(group: &str, rule: &'static str) -> Invalid {
    Invalid {
        concern: "router",
        field: "groups",
        value: format!("{group:?}"),
        rule,
    }
}

impl<S> fmt::Debug for Routes<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
