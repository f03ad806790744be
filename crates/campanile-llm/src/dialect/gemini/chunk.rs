use campanile::Usage;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// A chunk of a stream, or a whole answer: they are the same.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk {
    pub(super) candidates: Option<Vec<Candidate>>,
    pub(super) prompt_feedback: Option<PromptFeedback>,
    pub(super) usage_metadata: Option<UsageMetadata>,
    pub(super) model_version: Option<String>,
    pub(super) response_id: Option<String>,
    pub(super) error: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    pub(super) content: Option<Said>,
    pub(super) finish_reason: Option<String>,
    pub(super) finish_message: Option<String>,
    pub(super) index: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) parts: Option<Vec<Part>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub(super) text: Option<String>,
    pub(super) thought: Option<bool>,
    pub(super) thought_signature: Option<String>,
    pub(super) function_call: Option<FunctionCall>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FunctionCall {
    pub(super) id: Option<String>,
    pub(super) name: String,
    /// As it was written: the order of the arguments is the model's.
    pub(super) args: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptFeedback {
    pub(super) block_reason: Option<String>,
    pub(super) block_reason_message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageMetadata {
    prompt_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    total_token_count: Option<u64>,
}

// ===== impl UsageMetadata =====

impl UsageMetadata {
    /// What it reports, where text has passed or not, and the model has stopped or not.
    pub(super) fn usage(&self, said: bool, stopped: bool) -> Usage {
        let input = self
            .prompt_token_count
            .map(|prompt| prompt.saturating_add(self.tool_use_prompt_token_count.unwrap_or(0)));
        let thoughts = self.thoughts_token_count;
        let output = match (self.candidates_token_count, thoughts) {
            (Some(candidates), _) => Some(candidates.saturating_add(thoughts.unwrap_or(0))),
            // What passed is not counted yet.
            (None, _) if said && !stopped => None,
            // Proto's zero is not written.
            (None, Some(thoughts)) => Some(thoughts),
            (None, None) if stopped => Some(
                self.total_token_count
                    .zip(input)
                    .map_or(0, |(total, input)| total.saturating_sub(input)),
            ),
            (None, None) => None,
        };
        Usage {
            input_tokens: input,
            output_tokens: output,
            cached_tokens: self.cached_content_token_count,
            reasoning_tokens: thoughts,
            ..Usage::default()
        }
    }
}
