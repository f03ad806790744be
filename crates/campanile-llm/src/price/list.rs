use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, MapAccess},
};

use super::Price;

/// Prices by model, as a file has them.
///
/// ```json
/// {
///   "about": "where these come from, and when",
///   "models": {
///     "some-model": {"input": 2.5, "cached_input": 1.25, "output": 10},
///     "somebody/some-model": {"input": 2, "output": 8},
///     "some-family-*": {"input": 1, "output": 4}
///   },
///   "aliases": {"default": "some-model"}
/// }
/// ```
///
/// A name is a model's; `provider/model` is for that provider alone; one that ends in `*` is a rule for all that begin so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PriceList {
    /// Where the prices come from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Prices by name.
    #[serde(deserialize_with = "by_name")]
    pub models: BTreeMap<String, Price>,
    /// Other names, and the names in `models` that they stand for.
    #[serde(deserialize_with = "by_name")]
    pub aliases: BTreeMap<String, String>,
}

// ===== impl PriceList =====

impl PriceList {
    /// Sets the price of a model.
    #[must_use]
    pub fn with_model(mut self, name: impl Into<String>, price: Price) -> Self {
        self.models.insert(name.into(), price);
        self
    }

    /// Sets another name of a model.
    #[must_use]
    pub fn with_alias(mut self, alias: impl Into<String>, name: impl Into<String>) -> Self {
        self.aliases.insert(alias.into(), name.into());
        self
    }
}

/// Reads a map, with errors that say at which name. A name that is there twice is one: which of them was meant?
fn by_name<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    struct Visitor<T>(PhantomData<T>);

    impl<'de, T: DeserializeOwned> de::Visitor<'de> for Visitor<T> {
        type Value = BTreeMap<String, T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map by model")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = BTreeMap::new();
            while let Some(name) = map.next_key::<String>()? {
                let value = map
                    .next_value()
                    .map_err(|error| de::Error::custom(format_args!("{name}: {error}")))?;
                if all.contains_key(&name) {
                    return Err(de::Error::custom(format_args!("{name} is there twice")));
                }
                all.insert(name, value);
            }
            Ok(all)
        }
    }

    deserializer.deserialize_map(Visitor(PhantomData))
}
