use std::collections::BTreeMap;

use campanile::config::Invalid;
use http::{HeaderName, Uri};
use serde::{Deserialize, Serialize};

use super::{PastReasoning, Secret, TokenLimit};
use crate::dialect::Api;

/// A provider: what it speaks, where it is, and with which key it is called. The presets know the first two.
///
/// ```
/// use campanile_llm::provider::{ProviderConfig, Secret};
///
/// let config = ProviderConfig::openai(Secret::env("OPENAI_API_KEY")).with_model("small", "gpt-5-mini");
/// assert_eq!(config.base_url, "https://api.openai.com/v1");
///
/// let config: ProviderConfig = serde_json::from_str(r#"{ "name": "local", "base_url": "http://127.0.0.1:8080/v1" }"#)?;
/// assert!(config.build().is_ok());
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProviderConfig {
    /// What it is called in answers, errors and reports. The interface's name by default.
    pub name: String,
    /// What it speaks. OpenAI's chat completions by default.
    pub api: Api,
    /// Where it is: what paths such as `/chat/completions` follow, `http` or `https`, without user, query or fragment. That
    /// of OpenAI by default.
    pub base_url: String,
    /// The key. None by default: then none is sent.
    pub key: Option<Secret>,
    /// More headers to send, which replace others of the same name. Their values are not shown either.
    pub headers: BTreeMap<String, Secret>,
    /// Callers' names of models and the provider's. A name that is not in it stays as it is.
    pub models: BTreeMap<String, String>,
    /// Whether streams are asked to tell their usage where the caller left it open. They are by default. Switch it off for
    /// a server that does not know `stream_options`; usage is then estimated.
    pub include_usage: bool,
    /// What OpenAI's interface calls the limit of an answer's tokens there. As the caller wrote it by default; the presets of
    /// OpenAI, Ollama and llama.cpp know better. Other interfaces take either name.
    pub token_limit: TokenLimit,
    /// What a server of OpenAI's interface is sent of the reasoning of earlier answers, where the caller speaks Anthropic's
    /// dialect. Nothing by default; its text by the presets of vLLM and llama.cpp. Other interfaces are sent what they have a
    /// place for.
    pub past_reasoning: PastReasoning,
    /// How many bytes an event of a stream may have. 1 MiB by default.
    pub max_frame: usize,
    /// How many bytes a whole answer may have. 16 MiB by default.
    pub max_body: usize,
}

impl Default for ProviderConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            api: Api::OpenAi,
            base_url: "https://api.openai.com/v1".to_owned(),
            key: None,
            headers: BTreeMap::new(),
            models: BTreeMap::new(),
            include_usage: true,
            token_limit: TokenLimit::default(),
            past_reasoning: PastReasoning::default(),
            max_frame: 1 << 20,
            max_body: 16 << 20,
        }
    }
}

// ===== impl ProviderConfig =====

impl ProviderConfig {
    /// A provider of this name, which speaks this interface there.
    #[must_use]
    pub fn new(name: impl Into<String>, api: Api, base_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            api,
            base_url: base_url.into(),
            ..Self::default()
        }
    }

    /// OpenAI. Limits of tokens go by the newer name, which all of its models take.
    pub fn openai(key: impl Into<Secret>) -> Self {
        Self::new("openai", Api::OpenAi, "https://api.openai.com/v1")
            .with_token_limit(TokenLimit::MaxCompletionTokens)
            .with_key(key)
    }

    /// Anthropic.
    pub fn anthropic(key: impl Into<Secret>) -> Self {
        Self::new("anthropic", Api::Anthropic, "https://api.anthropic.com").with_key(key)
    }

    /// Google's Gemini, by its own interface.
    pub fn gemini(key: impl Into<Secret>) -> Self {
        let base = "https://generativelanguage.googleapis.com";
        Self::new("gemini", Api::Gemini, base).with_key(key)
    }

    /// xAI.
    pub fn xai(key: impl Into<Secret>) -> Self {
        Self::new("xai", Api::OpenAi, "https://api.x.ai/v1").with_key(key)
    }

    /// OpenRouter.
    pub fn openrouter(key: impl Into<Secret>) -> Self {
        Self::new("openrouter", Api::OpenAi, "https://openrouter.ai/api/v1").with_key(key)
    }

    /// Ollama, by OpenAI's interface. The address is that of the server: `http://localhost:11434`.
    #[must_use]
    pub fn ollama(url: &str) -> Self {
        Self::new("ollama", Api::OpenAi, under_v1(url)).with_token_limit(TokenLimit::MaxTokens)
    }

    /// Ollama, by its own interface. The address is that of the server: `http://localhost:11434`.
    #[must_use]
    pub fn ollama_native(url: &str) -> Self {
        Self::new("ollama", Api::Ollama, url.trim_end_matches('/'))
    }

    /// vLLM. The address is that of the server: `http://localhost:8000`.
    #[must_use]
    pub fn vllm(url: &str) -> Self {
        Self::new("vllm", Api::OpenAi, under_v1(url)).with_past_reasoning(PastReasoning::Text)
    }

    /// The server of llama.cpp. The address is that of the server: `http://localhost:8080`.
    #[must_use]
    pub fn llama_cpp(url: &str) -> Self {
        Self::new("llama.cpp", Api::OpenAi, under_v1(url))
            .with_token_limit(TokenLimit::MaxTokens)
            .with_past_reasoning(PastReasoning::Text)
    }

    /// Sets what it is called. See [`name`](Self::name).
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets where it is. See [`base_url`](Self::base_url).
    #[must_use]
    pub fn with_base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// Sets the key. See [`key`](Self::key).
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Secret>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds a header. See [`headers`](Self::headers).
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Says what a model of the callers' is called there. See [`models`](Self::models).
    #[must_use]
    pub fn with_model(mut self, callers: impl Into<String>, its: impl Into<String>) -> Self {
        self.models.insert(callers.into(), its.into());
        self
    }

    /// Sets whether streams are asked to tell their usage. See [`include_usage`](Self::include_usage).
    #[must_use]
    pub const fn with_include_usage(mut self, include: bool) -> Self {
        self.include_usage = include;
        self
    }

    /// Sets what the limit of an answer's tokens is called. See [`token_limit`](Self::token_limit).
    #[must_use]
    pub const fn with_token_limit(mut self, limit: TokenLimit) -> Self {
        self.token_limit = limit;
        self
    }

    /// Sets what is sent of the reasoning of earlier answers. See [`past_reasoning`](Self::past_reasoning).
    #[must_use]
    pub const fn with_past_reasoning(mut self, reasoning: PastReasoning) -> Self {
        self.past_reasoning = reasoning;
        self
    }

    /// Sets how many bytes an event may have. See [`max_frame`](Self::max_frame).
    #[must_use]
    pub const fn with_max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Sets how many bytes a whole answer may have. See [`max_body`](Self::max_body).
    #[must_use]
    pub const fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Checks the settings, and reads the secrets to see that they are there.
    ///
    /// # Errors
    ///
    /// When the address is none, a header cannot be, a secret is not there, or a bound is below 1 KiB.
    pub fn build(self) -> Result<Self, Invalid> {
        super::settings::Settings::new(&self)?;
        Ok(self)
    }

    /// The address, without a slash at its end, and without the version that the interface's own paths begin with.
    pub(super) fn checked_base(&self) -> Result<String, Invalid> {
        let base = self.base_url.trim_end_matches('/');
        let uri: Option<Uri> = base.parse().ok();
        let authority = uri.as_ref().and_then(Uri::authority);
        if authority.is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(Invalid {
                concern: "provider",
                field: "base_url",
                // There may be a password in it.
                value: "***".to_owned(),
                rule: "it has no user: keys go into `key` or `headers`",
            });
        }
        let scheme = uri.as_ref().and_then(Uri::scheme_str);
        let http = matches!(scheme, Some("http" | "https")) && authority.is_some();
        let rule = "it is an address as https://api.example.com/v1";
        Invalid::unless(http, "provider", "base_url", &self.base_url, rule)?;
        // The query may be a secret.
        let plain = !base.contains(['?', '#']);
        let rule = "it has neither query nor fragment";
        Invalid::unless(plain, "provider", "base_url", &"***", rule)?;
        // What the paths of an interface begin with is often written into the address too.
        let version = match self.api {
            Api::Anthropic | Api::Ollama => "/v1",
            Api::Gemini => "/v1beta",
            Api::OpenAi => return Ok(base.to_owned()),
        };
        Ok(base.strip_suffix(version).unwrap_or(base).to_owned())
    }

    pub(super) fn checked_header(name: &str) -> Result<HeaderName, Invalid> {
        HeaderName::try_from(name).map_err(|_| Invalid {
            concern: "provider",
            field: "headers",
            value: format!("{name:?}"),
            rule: "it is a name of a header: letters, digits and hyphens",
        })
    }
}

fn under_v1(url: &str) -> String {
    let url = url.trim_end_matches('/');
    match url.ends_with("/v1") {
        true => url.to_owned(),
        false => format!("{url}/v1"),
    }
}
