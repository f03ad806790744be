use std::time::Duration;

use campanile::config::{Invalid, seconds};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Settings of a [`ResumeLayer`](super::ResumeLayer).
///
/// ```
/// use campanile_llm::resume::ResumeConfig;
///
/// // As vLLM wants it.
/// let config: ResumeConfig = serde_json::from_str(
///     r#"{ "patience": "2s", "fields": { "continue_final_message": true, "add_generation_prompt": false } }"#,
/// )?;
/// let config = config.build()?;
/// assert_eq!(config.max_resumes, 1);
/// # Ok::<_, campanile::BoxError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResumeConfig {
    /// How often an answer is resumed. Once by default.
    pub max_resumes: u32,
    /// How many bytes of text an answer may have to be resumed, which are kept for each streamed call. 65,536 (64 KiB) by
    /// default.
    pub max_text: usize,
    /// How long a resumption waits for the inner service to be ready. 5 s by default.
    #[serde(with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub patience: Duration,
    /// Fields to set on the request that goes on. None by default.
    pub fields: Map<String, Value>,
}

// ===== impl ResumeConfig =====

impl Default for ResumeConfig {
    fn default() -> Self {
        Self {
            max_resumes: 1,
            max_text: 64 * 1024,
            patience: Duration::from_secs(5),
            fields: Map::new(),
        }
    }
}

impl ResumeConfig {
    /// Sets how often an answer is resumed.
    #[must_use]
    pub const fn with_max_resumes(mut self, resumes: u32) -> Self {
        self.max_resumes = resumes;
        self
    }

    /// Sets how many bytes of text an answer may have to be resumed.
    #[must_use]
    pub const fn with_max_text(mut self, bytes: usize) -> Self {
        self.max_text = bytes;
        self
    }

    /// Sets how long a resumption waits for the inner service to be ready.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets a field on the request that goes on.
    #[must_use]
    pub fn with_field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When nothing could be resumed: leave the layer out instead. Or when more text than 16 MiB is to be kept for each call.
    pub fn build(self) -> Result<Self, Invalid> {
        Invalid::unless(
            self.max_resumes > 0,
            "resume",
            "max_resumes",
            &self.max_resumes,
            "it must be at least 1",
        )?;
        Invalid::unless(
            (1..=16 << 20).contains(&self.max_text),
            "resume",
            "max_text",
            &self.max_text,
            "it must be from 1 to 16777216",
        )?;
        Ok(self)
    }
}
