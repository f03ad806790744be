use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use campanile::config::Invalid;
use http::HeaderValue;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What must not be seen: a key. Given as it is, or by where it lies: in an environment variable, or in a file, from where it
/// is read when the provider is built.
///
/// Neither `Debug` nor serialisation shows it. In settings it is a text, `{ env: NAME }` or `{ file: PATH }`.
///
/// ```
/// use campanile_llm::provider::Secret;
///
/// let key = Secret::new("sk-very-secret");
/// assert_eq!(format!("{key:?}"), "Secret(***)");
/// let key: Secret = serde_json::from_str(r#"{ "env": "OPENAI_API_KEY" }"#)?;
/// assert_eq!(format!("{key:?}"), "Secret(env OPENAI_API_KEY)");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Place);

#[derive(Clone, PartialEq, Eq)]
enum Place {
    Here(Arc<str>),
    Env(String),
    File(PathBuf),
}

/// What stands for a secret where it would be seen.
const HIDDEN: &str = "***";

// ===== impl Secret =====

impl Secret {
    /// A secret as it is.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(Place::Here(text.into()))
    }

    /// The secret in this environment variable.
    pub fn env(name: impl Into<String>) -> Self {
        Self(Place::Env(name.into()))
    }

    /// The secret in this file, without white space around it.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Place::File(path.into()))
    }

    /// What it is. For those who compare or send it: nothing else may hold it for long.
    ///
    /// # Errors
    ///
    /// When it is not there, is empty, or cannot stand in a header. The error shows where it was looked for, not what was
    /// there.
    pub fn reveal(&self) -> Result<Arc<str>, Invalid> {
        self.text("secret", "value", Path::new(""), &|name| {
            std::env::var(name).ok()
        })
    }

    /// The same secret as it is now, read from where it lies: an environment as `env` tells it, and files, whose paths are
    /// relative to `folder`. Two that were read differ if what was read does, which tells that a key was changed.
    ///
    /// # Errors
    ///
    /// As [`reveal`](Self::reveal).
    pub fn fetched(
        &self,
        folder: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Invalid> {
        Ok(Self::new(self.text("secret", "value", folder, env)?))
    }

    /// Reads it, for a field of a provider.
    pub(crate) fn read(&self, field: &'static str) -> Result<Arc<str>, Invalid> {
        self.text("provider", field, Path::new(""), &|name| {
            std::env::var(name).ok()
        })
    }

    fn text(
        &self,
        concern: &'static str,
        field: &'static str,
        folder: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Arc<str>, Invalid> {
        let invalid = |rule| Invalid {
            concern,
            field,
            value: self.to_string(),
            rule,
        };
        let text: Arc<str> = match &self.0 {
            Place::Here(text) if &**text == HIDDEN => {
                return Err(invalid("it was hidden when these settings were written"));
            }
            Place::Here(text) => Arc::clone(text),
            Place::Env(name) => env(name)
                .ok_or_else(|| invalid("the environment variable must be set, to UTF-8"))?
                .into(),
            Place::File(path) => std::fs::read_to_string(folder.join(path))
                .map_err(|_| invalid("the file must be there, be readable, and hold UTF-8"))?
                .into(),
        };
        let text = match text.trim() {
            "" => return Err(invalid("it must not be empty")),
            trimmed if trimmed.len() < text.len() => trimmed.into(),
            _ => text,
        };
        if text.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
            return Err(invalid("it must be printable ASCII, as headers are"));
        }
        Ok(text)
    }
}

/// A header's value, which logs do not show. The text is a [`Secret`]'s, with a scheme before it.
pub(crate) fn sensitive(scheme: &str, text: &str) -> HeaderValue {
    let value = HeaderValue::try_from(format!("{scheme}{text}"));
    // A secret that was read can stand in a header.
    let mut value = value.unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// Where it lies, or nothing of it.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Here(_) => f.write_str(HIDDEN),
            Place::Env(name) => write!(f, "env {name}"),
            Place::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Elsewhere {
    Env(String),
    File(PathBuf),
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Place::Here(_) => serializer.serialize_str(HIDDEN),
            Place::Env(name) => Elsewhere::Env(name.clone()).serialize(serializer),
            Place::File(path) => Elsewhere::File(path.clone()).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, { env: NAME } or { file: PATH }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::new(text))
            }

            // What an error says by itself would show the key.
            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
                Err(E::custom("a secret of digits must be in quotes"))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom("a secret of digits must be in quotes"))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
                Err(E::custom("a secret of digits must be in quotes"))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Secret, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                Ok(Secret(match Elsewhere::deserialize(map)? {
                    Elsewhere::Env(name) => Place::Env(name),
                    Elsewhere::File(path) => Place::File(path),
                }))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
