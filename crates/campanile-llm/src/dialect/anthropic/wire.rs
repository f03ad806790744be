//! What the interface's events are, and how it counts.

use std::borrow::Cow;

use campanile::Usage;
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::{chat::FinishReason, stream::Frame};

/// What an event of a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    MessageStart,
    BlockStart,
    BlockDelta,
    BlockStop,
    MessageDelta,
    MessageStop,
    Error,
    /// A ping, or one that is not known here.
    Other,
}

/// Tokens as they are counted here: cached ones are no part of `input_tokens`. Each part is told at another time, and again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    #[serde(deserialize_with = "creation")]
    cache_creation: Option<Creation>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<Details>,
}

/// What was written to the cache, by how long it stays there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
struct Creation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Details {
    thinking_tokens: Option<u64>,
}

/// Tokens as they are written here.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Told {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    /// Only where some of it stays for longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation: Option<Creation>,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<ToldDetails>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct ToldDetails {
    thinking_tokens: u64,
}

/// What cannot be read is as if it were not there: the sum stands beside it.
fn creation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Creation>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

// ===== impl Event =====

impl Event {
    /// By the event's name. Where that is missing, as behind proxies that drop it, by the type in the data.
    pub(super) fn of(frame: &Frame) -> serde_json::Result<Self> {
        match &frame.event()[..] {
            b"" | b"message" => Self::by_type(frame.data()),
            name => Ok(Self::by_name(name)),
        }
    }

    fn by_name(name: &[u8]) -> Self {
        match name {
            b"message_start" => Self::MessageStart,
            b"content_block_start" => Self::BlockStart,
            b"content_block_delta" => Self::BlockDelta,
            b"content_block_stop" => Self::BlockStop,
            b"message_delta" => Self::MessageDelta,
            b"message_stop" => Self::MessageStop,
            b"error" => Self::Error,
            _ => Self::Other,
        }
    }

    fn by_type(data: &[u8]) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Typed<'a> {
            #[serde(rename = "type", borrow, default)]
            kind: Cow<'a, str>,
            error: Option<IgnoredAny>,
        }
        let typed: Typed<'_> = serde_json::from_slice(data)?;
        Ok(match Self::by_name(typed.kind.as_bytes()) {
            Self::Other if typed.error.is_some() => Self::Error,
            event => event,
        })
    }
}

// ===== impl Counts =====

impl Counts {
    /// Takes over what a message starts with: its input. Its output is a placeholder. Servers that count the prompt only at the
    /// end say 0 here, which no prompt has.
    pub(super) fn begin(&mut self, told: &Self) -> Usage {
        *self = Self {
            output_tokens: None,
            output_tokens_details: None,
            ..*told
        };
        let usage = self.usage();
        if usage.input_tokens == Some(0) {
            *self = Self::default();
        }
        self.usage()
    }

    /// Takes over later counts, which are cumulative: what they have replaces.
    pub(super) fn update(&mut self, later: &Self) -> Usage {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.cache_creation_input_tokens = later
            .cache_creation_input_tokens
            .or(self.cache_creation_input_tokens);
        self.cache_creation = later.cache_creation.or(self.cache_creation);
        self.cache_read_input_tokens = later
            .cache_read_input_tokens
            .or(self.cache_read_input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
        self.usage()
    }

    /// The same as all dialects count: cached tokens are a part of the input.
    pub(super) fn usage(&self) -> Usage {
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        Usage {
            input_tokens: self
                .input_tokens
                .map(|rest| rest.saturating_add(cached).saturating_add(written)),
            output_tokens: self.output_tokens,
            cached_tokens: self.cache_read_input_tokens,
            cache_write_tokens: self.cache_creation_input_tokens,
            cache_write_long_tokens: self
                .cache_creation
                .map(|creation| creation.ephemeral_1h_input_tokens)
                .filter(|long| *long > 0),
            reasoning_tokens: self
                .output_tokens_details
                .and_then(|details| details.thinking_tokens),
            ..Usage::default()
        }
    }
}

// ===== impl Told =====

impl Told {
    pub(super) fn new(usage: &Usage) -> Self {
        let cached = usage.cached_tokens.unwrap_or(0);
        let written = usage.cache_write_tokens.unwrap_or(0);
        let input = usage.input_tokens.unwrap_or(0);
        Self {
            input_tokens: input.saturating_sub(cached.saturating_add(written)),
            cache_creation_input_tokens: written,
            cache_creation: usage.cache_write_long_tokens.map(|long| Creation {
                ephemeral_5m_input_tokens: written.saturating_sub(long),
                ephemeral_1h_input_tokens: long,
            }),
            cache_read_input_tokens: cached,
            output_tokens: usage.output_tokens.unwrap_or(0),
            output_tokens_details: usage
                .reasoning_tokens
                .map(|thinking_tokens| ToldDetails { thinking_tokens }),
        }
    }

    /// The same before anything is written.
    pub(super) fn begin(usage: &Usage) -> Self {
        Self {
            output_tokens: 0,
            output_tokens_details: None,
            ..Self::new(usage)
        }
    }
}

/// A `usage` that tells this.
pub(crate) fn told(usage: &Usage) -> serde_json::Value {
    serde_json::json!(Told::new(usage))
}

// ===== reasons to stop =====

/// `pause_turn`, and what is not known here, are [`Other`](FinishReason::Other).
pub(super) fn finish(stop_reason: &str) -> FinishReason {
    match stop_reason {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}

/// The reverse, for an answer that calls tools or not, and refuses or not: callers here go by the reason.
pub(super) fn stop_reason(
    finish: Option<FinishReason>,
    called: bool,
    refused: bool,
) -> &'static str {
    match finish {
        Some(FinishReason::Length) => "max_tokens",
        Some(FinishReason::ToolCalls) => "tool_use",
        Some(FinishReason::ContentFilter) => "refusal",
        _ if called => "tool_use",
        _ if refused => "refusal",
        _ => "end_turn",
    }
}
