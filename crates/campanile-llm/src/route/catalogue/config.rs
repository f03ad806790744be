use std::collections::BTreeMap;

use campanile::{Endpoint, config::Invalid};
use serde::{Deserialize, Serialize};

use crate::route::Capabilities;

/// What models can do, and which endpoints serve them.
///
/// ```
/// use campanile_llm::route::CatalogueConfig;
///
/// let config: CatalogueConfig = serde_json::from_str(r#"{
///     "models": {
///         "gpt-5*": { "context_window": 400000, "max_output": 128000 },
///         "llama-3.1-8b": { "vision": false, "context_window": 131072 }
///     },
///     "endpoints": {
///         "openai": { "models": ["gpt-5", "gpt-5-*"] },
///         "gpu-0": { "models": ["llama-3.1-8b"], "limits": { "json_schema": false, "context_window": 16384 } }
///     }
/// }"#).unwrap();
/// assert!(config.build().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CatalogueConfig {
    /// What models can do, wherever they are, by name or pattern. A name comes before every pattern, and of patterns the one
    /// that tells most of the name. Everything, of a model that is not here.
    pub models: BTreeMap<String, Capabilities>,
    /// What endpoints serve, by key. Comes before what their labels say.
    pub endpoints: BTreeMap<String, Offer>,
}

/// What an endpoint serves.
///
/// An endpoint tells it by its labels, unless a [`CatalogueConfig`] does: `models`, names and patterns with commas between;
/// `capabilities`, those that it has, as `tools, vision, json, json_schema, reasoning, streaming`; `context_window` and
/// `max_output`, in tokens. Without a label nothing is limited.
///
/// ```
/// use campanile::Endpoint;
/// use campanile_llm::route::Offer;
///
/// let endpoint = Endpoint::builder("gpu-0")
///     .label("models", "llama-3.1-8b, qwen-*")
///     .label("capabilities", "tools, streaming")
///     .label("context_window", "16384")
///     .build()?;
/// let offer = Offer::of(&endpoint);
/// assert_eq!(offer.models, ["llama-3.1-8b", "qwen-*"]);
/// assert!(offer.limits.tools && !offer.limits.vision);
/// # Ok::<_, campanile::BoxError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Offer {
    /// The models, by name or pattern. Any, where there is none.
    pub models: Vec<String>,
    /// What is possible at this endpoint, whatever the model could do. Everything by default.
    pub limits: Capabilities,
}

// ===== impl CatalogueConfig =====

impl CatalogueConfig {
    /// Sets what a model can do.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>, capabilities: Capabilities) -> Self {
        self.models.insert(model.into(), capabilities);
        self
    }

    /// Sets what an endpoint serves.
    #[must_use]
    pub fn with_endpoint(mut self, key: impl Into<String>, offer: Offer) -> Self {
        self.endpoints.insert(key.into(), offer);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When a name is empty, or a window or a longest answer is 0.
    pub fn build(self) -> Result<Self, Invalid> {
        let rule = |kept, field, value: &str, rule| {
            Invalid::unless(kept, "catalogue", field, &value, rule)
        };
        let offered = self.endpoints.values().flat_map(|offer| &offer.models);
        for model in self.models.keys().chain(offered) {
            rule(!model.is_empty(), "models", model, "no name may be empty")?;
        }
        let models = self.models.iter();
        let limits = self
            .endpoints
            .iter()
            .map(|(key, offer)| (key, &offer.limits));
        for (name, can) in models.chain(limits) {
            let above = |tokens: Option<u64>| tokens != Some(0);
            rule(
                above(can.context_window),
                "context_window",
                name,
                "it must be above 0",
            )?;
            rule(
                above(can.max_output),
                "max_output",
                name,
                "it must be above 0",
            )?;
        }
        Ok(self)
    }
}

// ===== impl Offer =====

impl Offer {
    /// These models, without limits.
    #[must_use]
    pub fn models<M: Into<String>>(models: impl IntoIterator<Item = M>) -> Self {
        Self {
            models: models.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Sets what is possible at this endpoint, whatever the model could do.
    #[must_use]
    pub const fn with_limits(mut self, limits: Capabilities) -> Self {
        self.limits = limits;
        self
    }

    /// What an endpoint's labels say. A number that is none is as no label; of words that are no capability the log tells.
    #[must_use]
    pub fn of(endpoint: &Endpoint) -> Self {
        let words = |name| {
            let label: Option<&str> = endpoint.label(name);
            label.map(|label| {
                label
                    .split(',')
                    .map(str::trim)
                    .filter(|word| !word.is_empty())
            })
        };
        let models = words("models").into_iter().flatten();
        let mut limits = Capabilities::default();
        if let Some(names) = words("capabilities") {
            limits = Capabilities::none();
            for name in names {
                match limits.named(name) {
                    Some(capability) => *capability = true,
                    None => tracing::warn!(
                        endpoint = endpoint.key(),
                        name,
                        "a label names a capability that is none"
                    ),
                }
            }
        }
        let number = |name| endpoint.label(name)?.trim().parse().ok();
        limits.context_window = number("context_window").filter(|tokens| *tokens > 0);
        limits.max_output = number("max_output").filter(|tokens| *tokens > 0);
        Self {
            models: models.map(str::to_owned).collect(),
            limits,
        }
    }
}

impl Capabilities {
    fn named(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "tools" => &mut self.tools,
            "vision" => &mut self.vision,
            "json" => &mut self.json,
            "json_schema" => &mut self.json_schema,
            "reasoning" => &mut self.reasoning,
            "streaming" => &mut self.streaming,
            _ => return None,
        })
    }
}
