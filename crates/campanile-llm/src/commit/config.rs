use campanile::config::Invalid;
use serde::{Deserialize, Serialize};

/// Settings of a [`CommitLayer`](super::CommitLayer).
///
/// ```
/// use campanile_llm::commit::{CommitConfig, EmptyAnswer};
///
/// let config: CommitConfig = serde_json::from_str(r#"{ "max_held_events": 8, "empty": "pass" }"#)?;
/// let config = config.build()?;
/// assert_eq!(config.max_held_bytes, 256 * 1024);
/// assert_eq!(config.empty, EmptyAnswer::Pass);
/// # Ok::<_, campanile::BoxError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CommitConfig {
    /// How many bytes of events without content are held at most. 262,144 (256 KiB) by default.
    pub max_held_bytes: usize,
    /// How many of them are held at most. 32 by default. Room for so many is taken once one has to be held. Of those that follow
    /// each other and are the same to the byte, as pings are, one is held.
    pub max_held_events: usize,
    /// What an answer without any content is. An error by default.
    pub empty: EmptyAnswer,
    /// What an answer is that was filtered before it had any content. An error by default.
    pub filtered: FilteredAnswer,
}

/// What an answer without any content is, whose finish reason does not say why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EmptyAnswer {
    /// An error of class [`Empty`](crate::error::Class::Empty), so that retries go elsewhere.
    #[default]
    Retry,
    /// An answer like others.
    Pass,
}

/// What an answer without any content is, whose finish reason is a content filter's, as OpenAI's `content_filter` and
/// Anthropic's `refusal`. Gemini's filters are errors already where its answers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FilteredAnswer {
    /// An error of class [`ContentFilter`](crate::error::Class::ContentFilter), so that a [router](crate::route) asks the
    /// group that it has for those. Nobody else asks again: retries leave such an error alone, and it counts against no
    /// endpoint.
    #[default]
    Fail,
    /// An answer like others.
    Pass,
}

// ===== impl CommitConfig =====

impl Default for CommitConfig {
    fn default() -> Self {
        Self {
            max_held_bytes: 256 * 1024,
            max_held_events: 32,
            empty: EmptyAnswer::default(),
            filtered: FilteredAnswer::default(),
        }
    }
}

impl CommitConfig {
    /// Sets how many bytes of events without content are held at most.
    #[must_use]
    pub const fn with_max_held_bytes(mut self, bytes: usize) -> Self {
        self.max_held_bytes = bytes;
        self
    }

    /// Sets how many events without content are held at most.
    #[must_use]
    pub const fn with_max_held_events(mut self, events: usize) -> Self {
        self.max_held_events = events;
        self
    }

    /// Sets what an answer without any content is.
    #[must_use]
    pub const fn with_empty(mut self, empty: EmptyAnswer) -> Self {
        self.empty = empty;
        self
    }

    /// Sets what an answer is that was filtered before it had any content.
    #[must_use]
    pub const fn with_filtered(mut self, filtered: FilteredAnswer) -> Self {
        self.filtered = filtered;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When no event could be held, or room is to be taken for more than 4,096.
    pub fn build(self) -> Result<Self, Invalid> {
        Invalid::unless(
            self.max_held_bytes > 0,
            "commit",
            "max_held_bytes",
            &self.max_held_bytes,
            "it must be above 0",
        )?;
        Invalid::unless(
            (1..=4_096).contains(&self.max_held_events),
            "commit",
            "max_held_events",
            &self.max_held_events,
            "it must be from 1 to 4096",
        )?;
        Ok(self)
    }
}
