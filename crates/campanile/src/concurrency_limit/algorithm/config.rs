use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    Aimd, AimdConfig, Algorithm, Elastic, ElasticConfig, EnvoyGradient, EnvoyGradientConfig,
    Gradient2, Gradient2Config, Static, StaticConfig, Vegas, VegasConfig,
};
use crate::config::Invalid;

/// An algorithm by name, with its settings.
///
/// In configuration it is the name alone, or the name and what differs from the defaults:
///
/// ```
/// use campanile::concurrency_limit::algorithm::AlgorithmConfig;
///
/// let named: AlgorithmConfig = serde_json::from_str(r#""vegas""#).unwrap();
/// let set: AlgorithmConfig = serde_json::from_str(r#"{ "vegas": { "initial": 8.0 } }"#).unwrap();
/// assert_eq!((named.boxed().limit(), set.boxed().limit()), (10.0, 4.0), "half of it, at the start");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::by_name))]
pub enum AlgorithmConfig {
    /// [`Elastic`], the default.
    Elastic(ElasticConfig),
    /// [`Static`].
    Static(StaticConfig),
    /// [`Aimd`].
    Aimd(AimdConfig),
    /// [`Vegas`].
    Vegas(VegasConfig),
    /// [`Gradient2`].
    Gradient2(Gradient2Config),
    /// [`EnvoyGradient`].
    EnvoyGradient(EnvoyGradientConfig),
}

// ===== impl AlgorithmConfig =====

impl Default for AlgorithmConfig {
    fn default() -> Self {
        Self::Elastic(ElasticConfig::default())
    }
}

impl AlgorithmConfig {
    /// The names of all.
    pub(crate) const NAMES: [&str; 6] = [
        "elastic",
        "static",
        "aimd",
        "vegas",
        "gradient2",
        "envoy_gradient",
    ];

    /// The algorithm of that name, as it is by default.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "elastic" => Self::default(),
            "static" => Self::Static(StaticConfig::default()),
            "aimd" => Self::Aimd(AimdConfig::default()),
            "vegas" => Self::Vegas(VegasConfig::default()),
            "gradient2" => Self::Gradient2(Gradient2Config::default()),
            "envoy_gradient" => Self::EnvoyGradient(EnvoyGradientConfig::default()),
            _ => return None,
        })
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the algorithm and the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        Ok(match self {
            Self::Elastic(config) => Self::Elastic(config.build()?),
            Self::Static(config) => Self::Static(config.build()?),
            Self::Aimd(config) => Self::Aimd(config.build()?),
            Self::Vegas(config) => Self::Vegas(config.build()?),
            Self::Gradient2(config) => Self::Gradient2(config.build()?),
            Self::EnvoyGradient(config) => Self::EnvoyGradient(config.build()?),
        })
    }

    /// The algorithm itself, at its start. Boxed because which one it is, is known at run time only.
    #[must_use]
    pub fn boxed(&self) -> Box<dyn Algorithm> {
        match *self {
            Self::Elastic(config) => Box::new(Elastic::new(config)),
            Self::Static(config) => Box::new(Static::new(config)),
            Self::Aimd(config) => Box::new(Aimd::new(config)),
            Self::Vegas(config) => Box::new(Vegas::new(config)),
            Self::Gradient2(config) => Box::new(Gradient2::new(config)),
            Self::EnvoyGradient(config) => Box::new(EnvoyGradient::new(config)),
        }
    }
}

impl<'de> Deserialize<'de> for AlgorithmConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrSettings)
    }
}

struct NameOrSettings;

impl<'de> Visitor<'de> for NameOrSettings {
    type Value = AlgorithmConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the name of an algorithm, or a map from it to its settings"
        )
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<AlgorithmConfig, E> {
        AlgorithmConfig::named(name)
            .ok_or_else(|| E::unknown_variant(name, &AlgorithmConfig::NAMES))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AlgorithmConfig, A::Error> {
        /// The same, as serde has it.
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Settings {
            Elastic(ElasticConfig),
            Static(StaticConfig),
            Aimd(AimdConfig),
            Vegas(VegasConfig),
            Gradient2(Gradient2Config),
            EnvoyGradient(EnvoyGradientConfig),
        }

        Ok(
            match Settings::deserialize(MapAccessDeserializer::new(map))? {
                Settings::Elastic(config) => AlgorithmConfig::Elastic(config),
                Settings::Static(config) => AlgorithmConfig::Static(config),
                Settings::Aimd(config) => AlgorithmConfig::Aimd(config),
                Settings::Vegas(config) => AlgorithmConfig::Vegas(config),
                Settings::Gradient2(config) => AlgorithmConfig::Gradient2(config),
                Settings::EnvoyGradient(config) => AlgorithmConfig::EnvoyGradient(config),
            },
        )
    }
}
