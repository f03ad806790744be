//! What callers and providers speak.
//!
//! A request is written in a [`Dialect`], and answered in it, whatever [`Api`] the provider has that serves it. Where both
//! are the same nothing is translated: bytes are passed on as they are, and only looked through for what accounting needs.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{chat::ToolCall, error::Error};

pub(crate) mod anthropic;
pub(crate) mod codec;
mod content;
mod dispatch;
#[cfg(test)]
mod drive;
pub(crate) mod failed;
pub(crate) mod gemini;
mod halves;
mod ids;
pub(crate) mod neutral;
pub(crate) mod ollama;
pub(crate) mod openai;
#[cfg(test)]
mod tests;

pub(crate) use dispatch::{Asked, Decoder, Frames, Outgoing};

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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// At most so many bytes of a text, whole characters.
pub(crate) fn bounded(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// A text; `None` where it is empty, as servers write that have no `null`.
pub(crate) fn filled<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// A name as a part of a path.
pub(crate) fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into());
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

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

    /// An error as the JSON body of an answer.
    #[must_use]
    pub fn error_body(self, error: &Error) -> Bytes {
        match self {
            Self::OpenAi => openai::error_body(error),
            Self::Anthropic => anthropic::error_body(error),
        }
    }

    /// An error as the last frame of a stream.
    #[must_use]
    pub fn error_frame(self, error: &Error) -> Bytes {
        match self {
            Self::OpenAi => openai::error_frame(error),
            Self::Anthropic => anthropic::error_frame(error),
        }
    }

    /// The text of a whole answer.
    pub(crate) fn text(self, body: &Bytes) -> String {
        match self {
            Self::OpenAi => openai::text(body),
            Self::Anthropic => {
                anthropic::whole(body.clone()).map_or_else(|_| String::new(), |whole| whole.text)
            }
        }
    }

    /// The calls of tools in a whole answer.
    pub(crate) fn tool_calls(self, body: &Bytes) -> Vec<ToolCall> {
        match self {
            Self::OpenAi => openai::tool_calls(body),
            Self::Anthropic => {
                anthropic::whole(body.clone()).map_or_else(|_| Vec::new(), |whole| whole.tool_calls)
            }
        }
    }
}
