use std::{borrow::Cow, collections::BTreeMap, fmt};

use campanile::config::Invalid;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess},
};

use crate::error::Class;

/// Which group of providers takes which model.
///
/// ```
/// use campanile_llm::route::{GroupConfig, RouterConfig};
///
/// let config: RouterConfig = serde_json::from_str(r#"{
///     "groups": {
///         "main": {
///             "models": ["gpt-5", "gpt-5-*"],
///             "context_window": 128000,
///             "fallbacks": { "context_window": "long", "otherwise": "long" }
///         },
///         "long": { "model": "gemini-2.5-pro", "models": ["gemini-*"], "context_window": 1000000 }
///     },
///     "aliases": { "best": "gpt-5" },
///     "default": "main"
/// }"#).unwrap();
/// assert!(config.clone().build().is_ok());
///
/// let in_code = RouterConfig::default()
///     .with_group("main", GroupConfig::models(["gpt-5", "gpt-5-*"]))
///     .with_alias("best", "gpt-5");
/// assert!(in_code.build().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RouterConfig {
    /// The groups, by name.
    pub groups: BTreeMap<String, GroupConfig>,
    /// Other names of models. Each stands for a model that some group has, not for another alias.
    pub aliases: BTreeMap<String, String>,
    /// The group that takes every model that no other has. Without one such a model is refused.
    pub default: Option<String>,
}

/// What a group of providers serves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GroupConfig {
    /// The models, by name or by pattern: `gpt-5-*`. A name comes before every pattern, and of patterns the one that tells
    /// most of the name.
    pub models: Vec<String>,
    /// What the group calls a model, where that is something else. Names by which the members of the group differ are theirs
    /// to translate.
    pub rename: BTreeMap<String, String>,
    /// What is asked for when a call comes here for a model that is not the group's: by a fallback, or by default. The
    /// model that was asked for, unless set.
    pub model: Option<String>,
    /// How many tokens, of prompt and answer together, the group's models take. Unknown unless set.
    pub context_window: Option<u64>,
    /// Where calls go that fail here.
    pub fallbacks: Fallbacks,
}

/// Where calls go that failed in a group, by the class of their error.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Fallbacks {
    /// The group for every class that is not named, but for those by which the request itself is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
    /// The groups for classes, by their names: `context_window`, `content_filter`, `rate`.
    #[serde(flatten)]
    pub classes: BTreeMap<Class, String>,
}

// ===== impl RouterConfig =====

impl RouterConfig {
    /// Adds a group.
    #[must_use]
    pub fn with_group(mut self, name: impl Into<String>, group: GroupConfig) -> Self {
        self.groups.insert(name.into(), group);
        self
    }

    /// Adds another name of a model.
    #[must_use]
    pub fn with_alias(mut self, alias: impl Into<String>, model: impl Into<String>) -> Self {
        self.aliases.insert(alias.into(), model.into());
        self
    }

    /// Sets the group that takes every model that no other has.
    #[must_use]
    pub fn with_default(mut self, group: impl Into<String>) -> Self {
        self.default = Some(group.into());
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When there is no group; a group that is named somewhere does not exist; two groups have the same model; an alias is a
    /// model too, or stands for none; a group falls back to itself, or calls that are at fault themselves would go in a
    /// circle.
    pub fn build(self) -> Result<Self, Invalid> {
        let rule =
            |kept, field, value: &str, rule| Invalid::unless(kept, "router", field, &value, rule);
        rule(!self.groups.is_empty(), "groups", "", "there must be one")?;
        let exists = |name: &String| self.groups.contains_key(name);
        if let Some(name) = &self.default {
            rule(exists(name), "default", name, "it must be a group")?;
        }
        let mut owners = BTreeMap::new();
        for (name, group) in &self.groups {
            for model in &group.models {
                rule(!model.is_empty(), "models", name, "no name may be empty")?;
                let owned = owners.insert(model.as_str(), name).is_some();
                rule(!owned, "models", model, "one group has it, and once")?;
            }
            if let Some(window) = group.context_window {
                rule(window > 0, "context_window", name, "it must be above 0")?;
            }
            for (_, target) in group.fallbacks.iter() {
                rule(exists(target), "fallbacks", target, "it must be a group")?;
                let itself = target == name;
                rule(!itself, "fallbacks", name, "it must be another group")?;
            }
        }
        for (alias, model) in &self.aliases {
            let taken = owners.contains_key(alias.as_str());
            rule(!taken, "aliases", alias, "it must be no model as well")?;
            let is_alias = self.aliases.contains_key(model);
            rule(!is_alias, "aliases", model, "it must not be an alias")?;
            let served = self.default.is_some()
                || owners.keys().any(|name| {
                    super::Pattern::parse(name)
                        .map_or(name == model, |pattern| pattern.matches(model))
                });
            rule(served, "aliases", model, "a group must have it")?;
        }
        for class in Class::ALL.into_iter().filter(|class| class.is_request()) {
            for name in self.groups.keys() {
                let circle = self.follow(name, class);
                rule(!circle, "fallbacks", name, "they must not go in a circle")?;
            }
        }
        Ok(self)
    }

    /// Whether calls of one class, all of which fail, would come by here again.
    fn follow(&self, from: &str, class: Class) -> bool {
        let mut at = from;
        for _ in 0..=self.groups.len() {
            match self.groups[at].fallbacks.of(class) {
                Some(next) if next == from => return true,
                Some(next) => at = next,
                None => return false,
            }
        }
        // A circle that does not lead through here.
        false
    }
}

// ===== impl GroupConfig =====

impl GroupConfig {
    /// A group that has these models.
    #[must_use]
    pub fn models<M: Into<String>>(models: impl IntoIterator<Item = M>) -> Self {
        Self {
            models: models.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Sets what the group calls a model.
    #[must_use]
    pub fn with_rename(mut self, model: impl Into<String>, name: impl Into<String>) -> Self {
        self.rename.insert(model.into(), name.into());
        self
    }

    /// Sets what is asked for when a call comes here for a model that is not the group's.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets how many tokens the group's models take.
    #[must_use]
    pub const fn with_context_window(mut self, tokens: u64) -> Self {
        self.context_window = Some(tokens);
        self
    }

    /// Sets where calls go that fail by errors of a class.
    #[must_use]
    pub fn with_fallback(mut self, class: Class, group: impl Into<String>) -> Self {
        self.fallbacks.classes.insert(class, group.into());
        self
    }

    /// Sets where calls go that fail by errors of a class that is not named.
    #[must_use]
    pub fn with_fallback_otherwise(mut self, group: impl Into<String>) -> Self {
        self.fallbacks.otherwise = Some(group.into());
        self
    }
}

// ===== impl Fallbacks =====

impl Fallbacks {
    /// Where calls go that fail by errors of a class.
    #[must_use]
    pub fn of(&self, class: Class) -> Option<&str> {
        let otherwise = self.otherwise.as_ref().filter(|_| !class.is_request());
        self.classes.get(&class).or(otherwise).map(String::as_str)
    }

    /// Every class for which there is a group.
    fn iter(&self) -> impl Iterator<Item = (Option<Class>, &String)> {
        let classes = self
            .classes
            .iter()
            .map(|(class, group)| (Some(*class), group));
        classes.chain(self.otherwise.iter().map(|group| (None, group)))
    }
}

/// What `fallbacks` may name.
static NAMED: [&str; Class::ALL.len() + 1] = {
    let mut names = ["otherwise"; Class::ALL.len() + 1];
    let mut index = 0;
    while index < Class::ALL.len() {
        names[index + 1] = Class::ALL[index].name();
        index += 1;
    }
    names
};

impl<'de> Deserialize<'de> for Fallbacks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Fallbacks;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of classes of errors, or `otherwise`, to groups")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fallbacks, A::Error> {
                let mut fallbacks = Fallbacks::default();
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    let class = Class::ALL.into_iter().find(|class| class.name() == name);
                    match (&*name, class) {
                        ("otherwise", _) => fallbacks.otherwise = map.next_value()?,
                        (_, Some(class)) => {
                            fallbacks.classes.insert(class, map.next_value()?);
                        }
                        (name, None) => return Err(de::Error::unknown_field(name, &NAMED)),
                    }
                }
                Ok(fallbacks)
            }
        }
        deserializer.deserialize_struct("Fallbacks", &NAMED, Visitor)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Fallbacks {
    fn schema_name() -> Cow<'static, str> {
        "Fallbacks".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let text = |name: &&str| {
            match *name {
            "otherwise" => "The group for every class that is not named, but for those by which the request itself is at fault.".to_owned(),
            class => format!("The group for errors of class `{class}`."),
        }
        };
        let groups = NAMED.iter().map(|name| {
            let group =
                serde_json::json!({ "type": ["string", "null"], "description": text(name) });
            ((*name).to_owned(), group)
        });
        let groups: serde_json::Map<_, _> = groups.collect();
        schemars::json_schema!({
            "description": "Where calls go that failed in a group, by the class of their error.",
            "type": "object",
            "properties": groups,
            "additionalProperties": false
        })
    }
}
