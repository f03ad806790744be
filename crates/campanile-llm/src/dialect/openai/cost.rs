//! What a server says that a call cost.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A cost in US dollars, in any form that servers have: OpenRouter's number, or the `total_cost` of Perplexity's object. What
/// is neither is no cost, and no error: the tokens beside it are not to be lost for it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost(Option<f64>);

/// Reads one.
struct Lenient;

// ===== impl Cost =====

impl Cost {
    /// How much that is, if it is said.
    pub(super) const fn dollars(self) -> Option<f64> {
        self.0
    }
}

impl<'de> Deserialize<'de> for Cost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Lenient)
    }
}

impl<'de> Visitor<'de> for Lenient {
    type Value = Cost;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cost")
    }

    fn visit_f64<E: Error>(self, dollars: f64) -> Result<Cost, E> {
        Ok(Cost(Some(dollars)))
    }

    fn visit_u64<E: Error>(self, dollars: u64) -> Result<Cost, E> {
        Ok(Cost(Some(dollars as f64)))
    }

    fn visit_i64<E: Error>(self, dollars: i64) -> Result<Cost, E> {
        Ok(Cost(Some(dollars as f64)))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Cost, E> {
        Ok(Cost::default())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Cost, E> {
        Ok(Cost::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Cost, E> {
        Ok(Cost::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Cost, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cost::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut parts: A) -> Result<Cost, A::Error> {
        let mut total = Cost::default();
        while let Some(name) = parts.next_key::<Name>()? {
            match name {
                Name::TotalCost => total = parts.next_value()?,
                Name::Other => drop(parts.next_value::<IgnoredAny>()?),
            }
        }
        Ok(total)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    TotalCost,
    #[serde(other)]
    Other,
}
