//! What callers and providers speak.
//!
//! A request is written in a [`Dialect`], and answered in it, whatever [`Api`] the provider has that serves it. Where both
//! are the same nothing is translated: bytes are passed on as they are, and only looked through for what accounting needs.

use serde::{Deserialize, Serialize};

use crate::chat::ToolCall;

/// What a caller speaks: the form of requests, answers, streams and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dialect {
    /// OpenAI's chat completions.
    #[default]
    #[serde(rename = "openai")]
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
}

/// What a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Api {
    /// OpenAI's chat completions, as many servers speak them.
    #[default]
    #[serde(rename = "openai")]
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Gemini's `generateContent`.
    Gemini,
    /// Ollama's own `/api/chat`.
    Ollama,
}

#[allow(dead_code, unreachable_pub)]
pub(crate) mod codec;
#[allow(dead_code)]
pub(crate) mod neutral;

// ===== impl Dialect =====

impl Dialect {
    /// Its name, as in its serialised form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    /// The text of a whole answer.
    pub(crate) fn text(self, body: &[u8]) -> String {
        let _ = body;
        String::new()
    }

    /// The calls of tools in a whole answer.
    pub(crate) fn tool_calls(self, body: &[u8]) -> Vec<ToolCall> {
        let _ = body;
        Vec::new()
    }
}
