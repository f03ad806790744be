//! What the interface's JSON has in common.

use campanile::Usage as Taken;
use serde::{Deserialize, Serialize};

use super::{cost::Cost, error_in};
use crate::{
    chat::FinishReason,
    error::{Class, Error},
};

/// `usage`, as servers write it.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
pub(crate) struct Usage {
    #[serde(default)]
    pub(crate) prompt_tokens: Option<u64>,
    #[serde(default)]
    pub(crate) completion_tokens: Option<u64>,
    #[serde(default)]
    pub(crate) total_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek's name of cached tokens.
    #[serde(default, skip_serializing)]
    prompt_cache_hit_tokens: Option<u64>,
    /// Moonshot's.
    #[serde(default, skip_serializing)]
    cached_tokens: Option<u64>,
    /// OpenRouter's and Perplexity's: US dollars, for what they bill themselves.
    #[serde(default, skip_serializing)]
    cost: Cost,
    #[serde(default, skip_serializing)]
    is_byok: Option<bool>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
struct PromptDetails {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cached_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
struct CompletionDetails {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reasoning_tokens: Option<u64>,
}

// ===== impl Usage =====

impl Usage {
    /// What was taken. Cached tokens are part of the input here as there.
    pub(crate) fn taken(&self) -> Taken {
        // xAI, and Gemini by this interface, leave what was thought out of `completion_tokens`; the total has it.
        let rest = self.total_tokens.zip(self.prompt_tokens);
        let rest = rest.map(|(total, prompt)| total.saturating_sub(prompt));
        let prompt = self.prompt_tokens_details.unwrap_or_default();
        let completion = self.completion_tokens_details.unwrap_or_default();
        Taken {
            input_tokens: self.prompt_tokens,
            // Embeddings have a prompt only.
            output_tokens: self.completion_tokens.max(rest),
            cached_tokens: prompt
                .cached_tokens
                .or(self.prompt_cache_hit_tokens)
                .or(self.cached_tokens),
            cache_write_tokens: prompt.cache_write_tokens,
            // Nobody tells it by this interface.
            cache_write_long_tokens: None,
            reasoning_tokens: completion.reasoning_tokens,
            nano_dollars: self
                .cost
                .dollars()
                .filter(|cost| *cost >= 0.0 && self.is_byok != Some(true))
                .map(|dollars| (dollars * 1e9).round() as u64),
        }
    }

    /// The same the other way.
    pub(crate) fn of(taken: &Taken) -> Self {
        let prompt = PromptDetails {
            cached_tokens: taken.cached_tokens,
            cache_write_tokens: taken.cache_write_tokens,
        };
        let details = taken.cached_tokens.is_some() || taken.cache_write_tokens.is_some();
        let reasoning = taken.reasoning_tokens;
        Self {
            prompt_tokens: Some(taken.input_tokens.unwrap_or(0)),
            completion_tokens: Some(taken.output_tokens.unwrap_or(0)),
            total_tokens: Some(taken.total_tokens().unwrap_or(0)),
            prompt_tokens_details: details.then_some(prompt),
            completion_tokens_details: reasoning.map(|_| CompletionDetails {
                reasoning_tokens: reasoning,
            }),
            ..Self::default()
        }
    }
}

/// A `usage` that reports this.
pub(crate) fn told(taken: &Taken) -> serde_json::Value {
    serde_json::json!(Usage::of(taken))
}

/// What a `usage` reports; `None` where it cannot be read.
pub(crate) fn usage(raw: &str) -> Option<Taken> {
    Some(serde_json::from_str::<Usage>(raw).ok()?.taken())
}

/// Why a model stopped, by the interface's name; `None` where the answer [failed](fails).
pub(super) fn finish(reason: &str) -> Option<FinishReason> {
    if fails(reason) {
        return None;
    }
    Some(match reason {
        "stop" | "eos" | "end_turn" | "stop_sequence" => FinishReason::Stop,
        // The last is Mistral's, of an answer as long as the model's window.
        "length" | "max_tokens" | "model_length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    })
}

/// What vLLM and SGLang say of an answer that they give up, as when they shut down: with status 200, and `[DONE]` after it.
const GIVEN_UP: &str = "abort";

/// Whether a finish reason is a failure: OpenRouter's `error`, or an answer that was given up.
pub(super) fn fails(reason: &str) -> bool {
    matches!(reason, "error" | GIVEN_UP)
}

/// The error that a finish reason [is](fails), in this body.
pub(super) fn failure(reason: &str, body: &[u8]) -> Error {
    match reason {
        GIVEN_UP => Error::new(
            Class::Interrupted,
            "the server gave the answer up: its finish_reason is \"abort\"",
        ),
        _ => error_in(body),
    }
}

/// The interface's name of why a model stopped.
pub(super) const fn finish_name(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Stop | FinishReason::Other => "stop",
    }
}
