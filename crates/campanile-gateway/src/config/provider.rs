use std::{collections::BTreeMap, fmt, time::Duration};

use campanile::config::{Invalid, seconds};
use campanile_llm::{
    dialect::Api,
    provider::{ProviderConfig, Secret, TokenLimit},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{names, schema};

/// A provider: where it is, what it speaks, with which key it is called. What is not said comes from its preset.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProviderSection {
    /// What is known of it. The preset of the provider's name by default, and [`Preset::Compatible`] if there is none.
    pub preset: Option<Preset>,
    /// What it speaks.
    pub api: Option<Api>,
    /// Where it is.
    #[serde(alias = "url")]
    pub base_url: Option<String>,
    /// Its key: a text, `{ env: NAME }` or `{ file: PATH }`. That of the preset's environment variable by default.
    #[serde(alias = "api_key")]
    pub key: Option<Secret>,
    /// More headers to send.
    pub headers: BTreeMap<String, Secret>,
    /// What it serves: a list of models, or a map of callers' names to its own, which may be left out where they are the same. It
    /// serves whatever it is asked for, if there are none.
    #[serde(deserialize_with = "names::deserialize")]
    #[schemars(schema_with = "schema::models")]
    pub models: BTreeMap<String, Option<String>>,
    /// What is asked for when the caller named a stage, and the stage says no model. The only one of `models` by default, or that
    /// of the preset.
    pub default_model: Option<String>,
    /// Whether streams are asked to tell their usage.
    pub include_usage: Option<bool>,
    /// What the limit of an answer's tokens is called there.
    pub token_limit: Option<TokenLimit>,
    /// Answers by itself instead of calling anybody: for trying things out.
    pub simulated: Option<SimulatedConfig>,
    /// What is asked for where a caller named a stage, by stage: filled in when settings are completed.
    #[serde(skip)]
    pub(crate) stages: BTreeMap<String, String>,
}

/// A provider that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Preset {
    /// OpenAI: `OPENAI_API_KEY`.
    #[serde(rename = "openai")]
    OpenAi,
    /// Anthropic: `ANTHROPIC_API_KEY`.
    Anthropic,
    /// Google's Gemini: `GEMINI_API_KEY`.
    Gemini,
    /// xAI's Grok: `XAI_API_KEY`.
    #[serde(alias = "grok")]
    Xai,
    /// OpenRouter: `OPENROUTER_API_KEY`.
    #[serde(rename = "openrouter")]
    OpenRouter,
    /// Ollama, at `http://127.0.0.1:11434`, by OpenAI's interface.
    Ollama,
    /// Ollama, by its own interface.
    OllamaNative,
    /// vLLM, at `http://127.0.0.1:8000`.
    Vllm,
    /// llama.cpp, at `http://127.0.0.1:8080`.
    LlamaCpp,
    /// Whatever speaks OpenAI's interface.
    Compatible,
}

/// A processor within the gateway, which makes up what it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SimulatedConfig {
    /// How long it takes to the first word, usually. 200 ms by default.
    #[serde(with = "seconds")]
    #[schemars(with = "Duration")]
    pub first_word: Duration,
    /// How far that varies: the deviation of its logarithm, from 0 for not at all to 2. 0.3 by default, by which two of three
    /// calls take between three quarters and four thirds of it.
    pub spread: f64,
    /// How many words a second it writes. 50 by default.
    pub words_per_second: f64,
    /// How many words an answer has, about. 50 by default.
    pub words: u32,
    /// How many calls of a thousand fail with 500.
    pub failures_per_thousand: u32,
    /// How many calls of a thousand are refused with 429.
    pub throttled_per_thousand: u32,
    /// How many streams of a thousand break off in the middle.
    pub cuts_per_thousand: u32,
    /// How many calls it takes at once before it refuses with 429. 16 by default.
    pub slots: u32,
    /// When those may come back that it refuses with 429: what `Retry-After` says, in whole seconds. 1 s by default.
    #[serde(with = "seconds")]
    #[schemars(with = "Duration")]
    pub retry_after: Duration,
    /// What it draws by: with the same number the same calls in the same order get the same answers, delays and failures.
    /// Others each time by default.
    pub seed: Option<u64>,
}

impl Default for SimulatedConfig {
    fn default() -> Self {
        Self {
            first_word: Duration::from_millis(200),
            spread: 0.3,
            words_per_second: 50.0,
            words: 50,
            failures_per_thousand: 0,
            throttled_per_thousand: 0,
            cuts_per_thousand: 0,
            slots: 16,
            retry_after: Duration::from_secs(1),
            seed: None,
        }
    }
}

// ===== impl SimulatedConfig =====

impl SimulatedConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When a time or a number is beyond its bounds, or more calls fail than there are.
    pub fn build(self) -> Result<Self, Invalid> {
        let unless = |kept, field, value: &dyn fmt::Debug, rule| {
            Invalid::unless(kept, "simulated", field, value, rule)
        };
        for (field, time) in [
            ("first_word", self.first_word),
            ("retry_after", self.retry_after),
        ] {
            let rule = "it must be at most an hour";
            unless(time <= Duration::from_secs(3_600), field, &time, rule)?;
        }
        let (spread, speed) = (self.spread, self.words_per_second);
        let rule = "it must be from 0 to 2";
        unless((0.0..=2.0).contains(&spread), "spread", &spread, rule)?;
        let rule = "it must be from 0.01 to 1000000";
        let kept = (0.01..=1e6).contains(&speed);
        unless(kept, "words_per_second", &speed, rule)?;
        let rule = "it must be from 1 to 100000";
        let kept = (1..=100_000).contains(&self.words);
        unless(kept, "words", &self.words, rule)?;
        for (field, rate) in [
            ("failures_per_thousand", self.failures_per_thousand),
            ("throttled_per_thousand", self.throttled_per_thousand),
            ("cuts_per_thousand", self.cuts_per_thousand),
        ] {
            unless(rate <= 1_000, field, &rate, "it must be at most 1000")?;
        }
        unless(
            self.slots > 0,
            "slots",
            &self.slots,
            "it must be at least 1",
        )?;
        Ok(self)
    }
}

// ===== impl ProviderSection =====

impl ProviderSection {
    /// What is known of a provider of this name that says no [`preset`](Self::preset).
    #[must_use]
    pub fn preset_of(&self, name: &str) -> Preset {
        let named = || Preset::named(name).unwrap_or(Preset::Compatible);
        self.preset.unwrap_or_else(named)
    }

    /// Everything that is known of this provider, of this name.
    ///
    /// # Errors
    ///
    /// When it cannot be: see [`ProviderConfig::build`]. When the preset is that of a paid provider, and there is no key; when
    /// there is no preset, and no address.
    pub fn resolve(&self, name: &str) -> Result<ProviderConfig, Invalid> {
        self.resolve_in(name, &|name| std::env::var(name).ok())
    }

    /// The same in an environment that `env` tells of.
    pub(crate) fn resolve_in(
        &self,
        name: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<ProviderConfig, Invalid> {
        if let Some(simulated) = &self.simulated {
            simulated.clone().build()?;
        }
        let preset = self.preset_of(name);
        let simulated = self.simulated.is_some();
        let mut config = preset.provider(self.base_url.as_deref());
        config.name = name.to_owned();
        if let Some(api) = self.api {
            config.api = api;
        }
        // A key of the environment goes only where the preset says: a changed address must name the key that it gets.
        let known = self.base_url.is_none() && !simulated;
        config.key = match (&self.key, preset.key_variable()) {
            (Some(key), _) => Some(key.clone()),
            (None, Some((variable, rule))) if known => {
                let found = env(variable).filter(|key| !key.trim().is_empty());
                let missing = || Invalid {
                    concern: "provider",
                    field: "key",
                    value: "not there".to_owned(),
                    rule,
                };
                Some(found.ok_or_else(missing)?.into())
            }
            _ => None,
        };
        if preset == Preset::Compatible && self.base_url.is_none() && !simulated {
            return Err(Invalid {
                concern: "provider",
                field: "base_url",
                value: "not there".to_owned(),
                rule: "a provider whose name is no preset's says `preset` or `base_url`",
            });
        }
        config.headers.clone_from(&self.headers);
        config.models = self.renames();
        if let Some(include) = self.include_usage {
            config.include_usage = include;
        }
        if let Some(limit) = self.token_limit {
            config.token_limit = limit;
        }
        config.build()
    }

    /// What is asked for when the caller named a stage, by its own name.
    pub(crate) fn model_by_default(&self, name: &str) -> Option<String> {
        let only = || match self.models.len() {
            1 => self.models.keys().next().cloned(),
            _ => {
                let known = self.preset_of(name).model().map(str::to_owned);
                known.or_else(|| self.models.keys().next().cloned())
            }
        };
        let model = self.default_model.clone().or_else(only)?;
        Some(self.models.get(&model).cloned().flatten().unwrap_or(model))
    }

    /// Names that it is asked for and its own, where they differ.
    fn renames(&self) -> BTreeMap<String, String> {
        let named = |(callers, its): (&String, &Option<String>)| {
            its.clone()
                .filter(|its| its != callers)
                .map(|its| (callers.clone(), its))
        };
        let stages = self.stages.clone().into_iter();
        stages.chain(self.models.iter().filter_map(named)).collect()
    }
}

// ===== impl Preset =====

impl Preset {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::OpenAi, "openai"),
        (Self::Anthropic, "anthropic"),
        (Self::Gemini, "gemini"),
        (Self::Xai, "xai"),
        (Self::OpenRouter, "openrouter"),
        (Self::Ollama, "ollama"),
        (Self::OllamaNative, "ollama_native"),
        (Self::Vllm, "vllm"),
        (Self::LlamaCpp, "llama_cpp"),
        (Self::Compatible, "compatible"),
    ];

    /// The preset of this name; `grok` is that of xAI.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == "grok" {
            return Some(Self::Xai);
        }
        let of = |(preset, known): &(Self, &str)| (*known == name).then_some(*preset);
        Self::ALL.iter().find_map(of)
    }

    /// What is asked for where nobody said: a small model that is there.
    #[must_use]
    pub const fn model(self) -> Option<&'static str> {
        Some(match self {
            Self::OpenAi => "gpt-5-mini",
            Self::Anthropic => "claude-haiku-4-5",
            Self::Gemini => "gemini-2.5-flash",
            Self::Xai => "grok-4",
            Self::OpenRouter => "openrouter/auto",
            Self::Ollama | Self::OllamaNative => "llama3.2",
            // It serves the one that it was started with, whatever it is asked for.
            Self::LlamaCpp => "default",
            Self::Vllm | Self::Compatible => return None,
        })
    }

    /// The environment variable with the key, and the rule that it must be set.
    const fn key_variable(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::OpenAi => (
                "OPENAI_API_KEY",
                "set the environment variable OPENAI_API_KEY, or write `key`",
            ),
            Self::Anthropic => (
                "ANTHROPIC_API_KEY",
                "set the environment variable ANTHROPIC_API_KEY, or write `key`",
            ),
            Self::Gemini => (
                "GEMINI_API_KEY",
                "set the environment variable GEMINI_API_KEY, or write `key`",
            ),
            Self::Xai => (
                "XAI_API_KEY",
                "set the environment variable XAI_API_KEY, or write `key`",
            ),
            Self::OpenRouter => (
                "OPENROUTER_API_KEY",
                "set the environment variable OPENROUTER_API_KEY, or write `key`",
            ),
            _ => return None,
        })
    }

    /// What is known, at this address or at the usual one.
    fn provider(self, url: Option<&str>) -> ProviderConfig {
        let with = |config: ProviderConfig| match url {
            Some(url) => config.with_base_url(url),
            None => config,
        };
        match self {
            Self::OpenAi => with(ProviderConfig::openai("")),
            Self::Anthropic => with(ProviderConfig::anthropic("")),
            Self::Gemini => with(ProviderConfig::gemini("")),
            Self::Xai => with(ProviderConfig::xai("")),
            Self::OpenRouter => with(ProviderConfig::openrouter("")),
            Self::Ollama => ProviderConfig::ollama(url.unwrap_or("http://127.0.0.1:11434")),
            Self::OllamaNative => {
                ProviderConfig::ollama_native(url.unwrap_or("http://127.0.0.1:11434"))
            }
            Self::Vllm => ProviderConfig::vllm(url.unwrap_or("http://127.0.0.1:8000")),
            Self::LlamaCpp => ProviderConfig::llama_cpp(url.unwrap_or("http://127.0.0.1:8080")),
            Self::Compatible => with(ProviderConfig::default()),
        }
    }
}
