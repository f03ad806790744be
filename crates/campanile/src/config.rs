//! What is wrong with a setting: the one error of every `build()`.
//!
//! ```
//! use campanile::config::Invalid;
//!
//! let workers = 0;
//! let error = Invalid::unless(workers > 0, "stage", "workers", &workers, "it must be at least 1").unwrap_err();
//! assert_eq!(error.to_string(), "stage.workers is 0: it must be at least 1");
//! ```

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::time::human;

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// A setting that cannot be: which, its value, and the rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{concern}.{field} is {value}: {rule}")]
pub struct Invalid {
    /// Whose setting: the layer, strategy or the like.
    pub concern: &'static str,
    /// The field.
    pub field: &'static str,
    /// What it was set to.
    pub value: String,
    /// What it must be.
    pub rule: &'static str,
}

// ===== impl Invalid =====

impl Invalid {
    /// An error, unless the field keeps its rule.
    ///
    /// # Errors
    ///
    /// When `kept` is false.
    pub fn unless(
        kept: bool,
        concern: &'static str,
        field: &'static str,
        value: &dyn fmt::Debug,
        rule: &'static str,
    ) -> Result<(), Self> {
        if kept {
            return Ok(());
        }
        Err(Self {
            concern,
            field,
            value: format!("{value:?}"),
            rule,
        })
    }
}

/// Durations as text (`30s`, `250ms`), or as a number of seconds, which is what settings of older systems have. For
/// `#[serde(with = "campanile::config::seconds")]`.
pub mod seconds {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, de, fmt, human};

    /// Writes a duration as text.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        human::serialize(duration, serializer)
    }

    /// Reads a duration from text or from a number of seconds.
    ///
    /// # Errors
    ///
    /// When it is neither, or the number is negative, or it is longer than [100 years](crate::time::human::MOST); the error shows
    /// it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_any(Visitor)
    }

    struct Visitor;

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Seconds(#[serde(with = "self")] Duration);

    /// The same for a duration that may be absent. For `#[serde(with = "campanile::config::seconds::optional")]`.
    pub mod optional {
        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        use super::{Duration, Seconds};

        /// Writes a duration as text, or nothing.
        ///
        /// # Errors
        ///
        /// Those of the serializer.
        pub fn serialize<S: Serializer>(
            duration: &Option<Duration>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            duration.map(Seconds).serialize(serializer)
        }

        /// Reads a duration, or nothing.
        ///
        /// # Errors
        ///
        /// When it is something else.
        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Duration>, D::Error> {
            Ok(Option::<Seconds>::deserialize(deserializer)?.map(|seconds| seconds.0))
        }
    }

    /// The same for a list of durations. For `#[serde(with = "campanile::config::seconds::list")]`.
    pub mod list {
        use serde::{Deserialize, Deserializer, Serializer};

        use super::{Duration, Seconds};

        /// Writes durations as text.
        ///
        /// # Errors
        ///
        /// Those of the serializer.
        pub fn serialize<S: Serializer>(
            durations: &[Duration],
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(durations.iter().copied().map(Seconds))
        }

        /// Reads durations from texts or numbers of seconds.
        ///
        /// # Errors
        ///
        /// When one is neither.
        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Vec<Duration>, D::Error> {
            let seconds = Vec::<Seconds>::deserialize(deserializer)?;
            Ok(seconds.into_iter().map(|seconds| seconds.0).collect())
        }
    }

    // ===== impl Visitor =====

    impl Visitor {
        fn of<E: de::Error>(seconds: f64) -> Result<Duration, E> {
            let duration = Duration::try_from_secs_f64(seconds)
                .map_err(|error| E::custom(format_args!("{seconds} seconds: {error}")))?;
            Self::bounded(duration)
        }

        fn bounded<E: de::Error>(duration: Duration) -> Result<Duration, E> {
            human::bounded(duration).ok_or_else(|| {
                let seconds = duration.as_secs();
                E::custom(format_args!("{seconds} seconds: {}", human::RULE))
            })
        }
    }

    impl de::Visitor<'_> for Visitor {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration such as \"30s\" or \"250ms\", or a number of seconds")
        }

        fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
            Self::bounded(Duration::from_secs(seconds))
        }

        fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
            let positive = u64::try_from(seconds)
                .map_err(|_| E::custom(format_args!("{seconds} seconds: below 0")))?;
            Self::bounded(Duration::from_secs(positive))
        }

        fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Duration, E> {
            Self::of(seconds)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
            human::deserialize(de::value::StrDeserializer::new(text))
        }
    }
}
