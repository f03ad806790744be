use std::{cell::Cell, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use super::problem::{Problem, quoted};

/// How many bytes a file may have.
const MOST_BYTES: usize = 4 << 20;

/// A value of the file, and where it is.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
    /// Whether it is wrong, which has been said.
    pub(crate) broken: Cell<bool>,
}

#[derive(Clone)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A text, a number, a truth value, or nothing: what it is shows when it is asked for.
#[derive(Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Whether it stands without quotes, so that it may be something else than a text.
    pub(crate) plain: bool,
    /// What is written in the file, where `${...}` has been replaced.
    pub(crate) written: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// Where something is: from 1, as editors count. The length is in characters, on that line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) length: usize,
}

/// What serde-saphyr tells of a value.
struct Raw(Spanned<RawValue>);

enum RawValue {
    /// A text, and whether it surely is one.
    Text(String),
    /// Something else than a text: what is written tells what.
    Plain(String),
    List(Vec<Raw>),
    Map(Vec<(Spanned<String>, Raw)>),
}

// ===== impl Node =====

impl Node {
    /// Reads a text. Nothing at all is an empty map.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > MOST_BYTES {
            let message = format!(
                "the file has {} bytes: {MOST_BYTES} are the most",
                text.len()
            );
            return Err(Problem::new("", Place::default(), message));
        }
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_depth: 32,
                max_nodes: 200_000,
                max_documents: 1,
                max_total_scalar_bytes: MOST_BYTES,
                max_aliases: 1_000,
                max_anchors: 1_000,
            },
            duplicate_keys: DuplicateKeyPolicy::Error,
            non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
            strict_booleans: true,
            with_snippet: false,
        };
        let raw: Option<Raw> =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| {
                let place = error.location().map(Place::from).unwrap_or_default();
                let message = match error.without_snippet() {
                    serde_saphyr::Error::DuplicateMappingKey { key, .. } => {
                        let key = key.as_deref().unwrap_or("a key");
                        format!("{} is written twice here", quoted(key))
                    }
                    // The place is told beside it.
                    other => {
                        let message = other.to_string();
                        let told = message.split(" at line ").next();
                        told.unwrap_or_default().to_owned()
                    }
                };
                let line = place
                    .line
                    .checked_sub(1)
                    .and_then(|line| text.lines().nth(line));
                let hint = match line.is_some_and(|line| line.contains("${")) {
                    true => "; within `[ ]` and `{ }` write \"${NAME}\" in quotes",
                    false => "",
                };
                Problem::new("", place, format!("{message}{hint}"))
            })?;
        Ok(raw.map_or_else(|| Self::new(Value::Map(Vec::new())), |raw| raw.node(text)))
    }

    pub(crate) fn new(value: Value) -> Self {
        Self {
            value,
            place: Place::default(),
            broken: Cell::new(false),
        }
    }

    /// A text that stands nowhere.
    pub(crate) fn text(text: &str) -> Self {
        Self::new(Value::Scalar(Scalar {
            text: text.to_owned(),
            plain: true,
            written: None,
        }))
    }

    /// A value that stands nowhere.
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let place = Place::default();
        match value {
            Json::String(text) => Self::text(text),
            Json::Array(list) => Self::new(Value::List(list.iter().map(Self::json).collect())),
            Json::Object(map) => {
                let entries = map.iter().map(|(text, value)| {
                    let text = text.clone();
                    (Key { text, place }, Self::json(value))
                });
                Self::new(Value::Map(entries.collect()))
            }
            other => Self::text(&other.to_string()),
        }
    }

    pub(crate) fn entries(&self) -> &[(Key, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let found = self.entries().iter().find(|(known, _)| known.text == key);
        found.map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let Value::Map(entries) = &mut self.value else {
            return None;
        };
        let found = entries.iter_mut().find(|(known, _)| known.text == key);
        found.map(|(_, value)| value)
    }

    /// Whether nothing is written after its key.
    pub(crate) fn is_blank(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.plain && scalar.text.is_empty() && scalar.written.is_none())
    }

    pub(crate) const fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map of settings",
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its text may be a secret.
        write!(f, "Node({} at {:?})", self.kind(), self.place)
    }
}

// ===== impl Place =====

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            line: count(location.line()),
            column: count(location.column()),
            length: count(location.span().len()).max(1),
        }
    }
}

// ===== impl Raw =====

impl Raw {
    fn node(self, source: &str) -> Node {
        let place = Place::from(self.0.referenced);
        let value = match self.0.value {
            RawValue::Text(text) => {
                let plain = !written(source, self.0.defined)
                    .is_some_and(|written| written.starts_with(['"', '\'', '|', '>', '!']));
                Value::Scalar(Scalar {
                    text,
                    plain,
                    written: None,
                })
            }
            RawValue::Plain(fallback) => {
                // As it is written: `007` may be a name.
                let text = written(source, self.0.defined).map_or(fallback, str::to_owned);
                Value::Scalar(Scalar {
                    text,
                    plain: true,
                    written: None,
                })
            }
            RawValue::List(list) => {
                Value::List(list.into_iter().map(|raw| raw.node(source)).collect())
            }
            RawValue::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let place = Place::from(key.referenced);
                        let key = Key {
                            text: key.value,
                            place,
                        };
                        (key, value.node(source))
                    })
                    .collect(),
            ),
        };
        Node {
            value,
            place,
            broken: Cell::new(false),
        }
    }
}

/// What is written there.
fn written(source: &str, location: Location) -> Option<&str> {
    let span = location.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let end = start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
    source.get(start..end)
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = RawValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_unit<E>(self) -> Result<RawValue, E> {
                Ok(RawValue::Plain(String::new()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
                Ok(RawValue::Plain(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<RawValue, E> {
                Ok(RawValue::Plain(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
                Ok(RawValue::Plain(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
                Ok(RawValue::Plain(value.to_string()))
            }

            fn visit_str<E>(self, text: &str) -> Result<RawValue, E> {
                Ok(RawValue::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawValue, A::Error> {
                let mut list = Vec::new();
                while let Some(value) = seq.next_element()? {
                    list.push(value);
                }
                Ok(RawValue::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawValue, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(RawValue::Map(entries))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
