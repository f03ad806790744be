use std::{collections::BTreeMap, time::Duration};

use campanile::config::{Invalid, seconds};
use campanile_llm::{
    dialect::Api,
    provider::{ProviderConfig, Secret, TokenLimit},
};
use serde::{Deserialize, Serialize};

/// A provider: where it is, what it speaks, with which key it is called. What is not said comes from its preset.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
    /// What it serves: callers' names of models, and its own. Names that are the same on both sides may have no value. It
    /// serves whatever it is asked for, if there are none.
    pub models: BTreeMap<String, Option<String>>,
    /// What is asked for when a stage does not say and the caller named the stage. That of the preset by default.
    pub default_model: Option<String>,
    /// Whether streams are asked to tell their usage.
    pub include_usage: Option<bool>,
    /// What the limit of an answer's tokens is called there.
    pub token_limit: Option<TokenLimit>,
    /// Answers by itself instead of calling anybody: for trying things out.
    pub simulated: Option<SimulatedConfig>,
}

/// A provider that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SimulatedConfig {
    /// How long it takes to the first word. 200 ms by default.
    #[serde(with = "seconds")]
    pub first_word: Duration,
    /// How many words a second it writes. 50 by default.
    pub words_per_second: f64,
    /// How many calls of a thousand fail with 500.
    pub failures_per_thousand: u32,
    /// How many calls of a thousand are refused with 429.
    pub throttled_per_thousand: u32,
    /// How many streams of a thousand break off in the middle.
    pub cuts_per_thousand: u32,
    /// How many calls it takes at once before it refuses with 429. 16 by default.
    pub slots: u32,
}

impl Default for SimulatedConfig {
    fn default() -> Self {
        Self {
            first_word: Duration::from_millis(200),
            words_per_second: 50.0,
            failures_per_thousand: 0,
            throttled_per_thousand: 0,
            cuts_per_thousand: 0,
            slots: 16,
        }
    }
}

// ===== impl ProviderSection =====

impl ProviderSection {
    /// Everything that is known of this provider, of this name.
    ///
    /// # Errors
    ///
    /// When it cannot be: see [`ProviderConfig::build`].
    pub fn resolve(&self, name: &str) -> Result<ProviderConfig, Invalid> {
        let mut config = ProviderConfig::default().with_name(name);
        if let Some(url) = &self.base_url {
            config.base_url.clone_from(url);
        }
        config.build()
    }
}
