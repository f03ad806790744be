use std::{collections::BTreeMap, fmt};

use serde::{
    Deserializer,
    de::{self, MapAccess, SeqAccess},
};

/// Callers' names of models, and the provider's where they differ.
type Models = BTreeMap<String, Option<String>>;

struct Names;

impl<'de> de::Visitor<'de> for Names {
    type Value = Models;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of models, or a map of callers' names to the provider's")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Models, E> {
        Ok(BTreeMap::from([(name.to_owned(), None)]))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Models, E> {
        Ok(BTreeMap::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Models, A::Error> {
        let mut models = BTreeMap::new();
        while let Some(name) = seq.next_element::<String>()? {
            if models.contains_key(&name) {
                return Err(de::Error::custom(format_args!("`{name}` is written twice")));
            }
            models.insert(name, None);
        }
        Ok(models)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Models, A::Error> {
        let mut models = BTreeMap::new();
        while let Some((callers, its)) = map.next_entry()? {
            models.insert(callers, its);
        }
        Ok(models)
    }
}

/// Reads them as a list, as a map, or as one name.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Models, D::Error> {
    deserializer.deserialize_any(Names)
}
