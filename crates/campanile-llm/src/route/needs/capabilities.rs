use serde::{Deserialize, Serialize};

use super::Needs;

/// What a model can do, at one endpoint or wherever it is. Everything, unless it is said that it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Capabilities {
    /// It calls tools.
    pub tools: bool,
    /// It sees images.
    pub vision: bool,
    /// It can be held to JSON.
    pub json: bool,
    /// It can be held to JSON of a schema.
    pub json_schema: bool,
    /// It can be told to reason, or how much.
    pub reasoning: bool,
    /// It streams its answers.
    pub streaming: bool,
    /// How many tokens prompt and answer may have together. Unknown unless set.
    pub context_window: Option<u64>,
    /// How many tokens an answer may have. Unknown unless set.
    pub max_output: Option<u64>,
}

// ===== impl Capabilities =====

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            tools: true,
            vision: true,
            json: true,
            json_schema: true,
            reasoning: true,
            streaming: true,
            context_window: None,
            max_output: None,
        }
    }
}

impl Capabilities {
    /// Sets whether it calls tools.
    #[must_use]
    pub const fn with_tools(mut self, tools: bool) -> Self {
        self.tools = tools;
        self
    }

    /// Sets whether it sees images.
    #[must_use]
    pub const fn with_vision(mut self, vision: bool) -> Self {
        self.vision = vision;
        self
    }

    /// Sets whether it can be held to JSON.
    #[must_use]
    pub const fn with_json(mut self, json: bool) -> Self {
        self.json = json;
        self
    }

    /// Sets whether it can be held to JSON of a schema.
    #[must_use]
    pub const fn with_json_schema(mut self, json_schema: bool) -> Self {
        self.json_schema = json_schema;
        self
    }

    /// Sets whether it can be told to reason.
    #[must_use]
    pub const fn with_reasoning(mut self, reasoning: bool) -> Self {
        self.reasoning = reasoning;
        self
    }

    /// Sets whether it streams its answers.
    #[must_use]
    pub const fn with_streaming(mut self, streaming: bool) -> Self {
        self.streaming = streaming;
        self
    }

    /// Sets how many tokens prompt and answer may have together.
    #[must_use]
    pub const fn with_context_window(mut self, tokens: u64) -> Self {
        self.context_window = Some(tokens);
        self
    }

    /// Sets how many tokens an answer may have.
    #[must_use]
    pub const fn with_max_output(mut self, tokens: u64) -> Self {
        self.max_output = Some(tokens);
        self
    }

    /// What of the needs is not met: the name of the first such capability. The context window is another matter: it takes
    /// an estimate.
    #[must_use]
    pub fn lacks(&self, needs: &Needs) -> Option<&'static str> {
        [
            (needs.tools && !self.tools, "tools"),
            (needs.vision && !self.vision, "vision"),
            (needs.json_schema && !self.json_schema, "json_schema"),
            (needs.json && !self.json, "json"),
            (needs.reasoning && !self.reasoning, "reasoning"),
            (needs.streaming && !self.streaming, "streaming"),
            (
                needs.max_output > self.max_output && self.max_output.is_some(),
                "max_output",
            ),
        ]
        .into_iter()
        .find_map(|(lacks, name)| lacks.then_some(name))
    }

    /// What is possible here and there: what a model can do, at an endpoint of limits of its own.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        Self {
            tools: self.tools && other.tools,
            vision: self.vision && other.vision,
            json: self.json && other.json,
            json_schema: self.json_schema && other.json_schema,
            reasoning: self.reasoning && other.reasoning,
            streaming: self.streaming && other.streaming,
            context_window: least(self.context_window, other.context_window),
            max_output: least(self.max_output, other.max_output),
        }
    }

    /// Nothing but text, of unknown length.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            tools: false,
            vision: false,
            json: false,
            json_schema: false,
            reasoning: false,
            streaming: false,
            context_window: None,
            max_output: None,
        }
    }

    /// Whether so many tokens are more than the context window holds, if that is known.
    #[must_use]
    pub fn overflows(&self, tokens: Option<u64>) -> bool {
        matches!((tokens, self.context_window), (Some(tokens), Some(window)) if tokens > window)
    }
}
