use std::{fmt, sync::Arc};

use campanile::{context::Priority, rate_limit::RateLimitHandle};
use campanile_llm::{
    Error,
    error::Class,
    route::{Pattern, listed},
};

use crate::{
    build::{Chats, Embeds},
    config::{Config, KeyConfig},
};

/// Who calls, and what it calls.
pub(crate) struct Caller {
    /// The name of its key.
    pub(crate) name: Arc<str>,
    /// On whose behalf it calls.
    pub(crate) tenant: Arc<str>,
    pub(crate) priority: Priority,
    pub(super) may_raise_priority: bool,
    /// The models that it may ask for; `None` for all.
    pub(super) models: Option<Models>,
    /// The router, within this caller's limits and budgets.
    pub(crate) chats: Chats,
    /// The same for embeddings.
    pub(crate) embeds: Embeds,
    /// How many calls and tokens it has left, if that is limited.
    pub(crate) rate: Option<RateLimitHandle>,
}

/// Names and patterns of models.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Models {
    names: Vec<Box<str>>,
    patterns: Vec<Pattern>,
}

// ===== impl Caller =====

impl Caller {
    /// Whether it may ask for this model, or stage.
    pub(crate) fn may_see(&self, model: &str) -> bool {
        self.models
            .as_ref()
            .is_none_or(|models| models.contain(model))
    }

    /// Whether there may be models that it may not ask for.
    pub(crate) fn is_restricted(&self) -> bool {
        self.models.is_some()
    }

    /// The error for a model that it may not ask for: as if there were none, as OpenAI's interface says it.
    #[cold]
    pub(crate) fn no_model(&self, model: &str, known: &[String]) -> Error {
        let mut message = format!(
            "the model {:?} does not exist or you do not have access to it",
            quoted(model)
        );
        let seen = known.iter().map(String::as_str);
        if let Some(listed) = listed(model, seen.filter(|name| self.may_see(name))) {
            message.push_str("; ");
            message.push_str(&listed);
        }
        Error::new(Class::ModelNotFound, message)
            .with_status(404)
            .with_kind("invalid_request_error")
            .with_code("model_not_found")
            .with_param("model")
    }
}

/// As much of a client's text as is shown.
pub(crate) fn quoted(text: &str) -> &str {
    const QUOTED: usize = 100;
    let end = (0..=QUOTED.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("name", &self.name)
            .field("tenant", &self.tenant)
            .field("priority", &self.priority)
            .field("models", &self.models)
            .finish_non_exhaustive()
    }
}

// ===== impl Models =====

impl Models {
    /// What a key says of models. A stage that it names stands for the models of the
    /// stage as well, and a model for its other names.
    pub(super) fn new(key: &KeyConfig, config: &Config) -> Option<Self> {
        if key.models.is_empty() {
            return None;
        }
        let named = key.models.iter();
        let stages = named.clone();
        let of_stages = stages.flat_map(|name| models_of_stage(config, name));
        let mut models = Self {
            names: Vec::new(),
            patterns: Vec::new(),
        };
        for name in named.chain(of_stages) {
            match Pattern::parse(name) {
                Some(pattern) => models.patterns.push(pattern),
                None => models.names.push(name.as_str().into()),
            }
        }
        let aliases = config.aliases.iter();
        let aliases = aliases.filter(|(_, model)| models.contain(model));
        let aliases: Vec<Box<str>> = aliases.map(|(alias, _)| alias.as_str().into()).collect();
        models.names.extend(aliases);
        Some(models)
    }

    fn contain(&self, model: &str) -> bool {
        self.names.iter().any(|name| **name == *model)
            || self.patterns.iter().any(|pattern| pattern.matches(model))
    }
}

/// The models of a stage, if there is one of this name.
fn models_of_stage<'a>(config: &'a Config, name: &str) -> &'a [String] {
    config.stages.get(name).map_or(&[], |stage| &stage.models)
}
