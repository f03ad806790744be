use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// A line of a stream, or a whole answer: they are the same.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    pub(super) model: Option<String>,
    pub(super) message: Option<Said>,
    pub(super) done: Option<bool>,
    pub(super) done_reason: Option<String>,
    pub(super) prompt_eval_count: Option<u64>,
    pub(super) eval_count: Option<u64>,
    pub(super) error: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) content: Option<String>,
    pub(super) thinking: Option<String>,
    pub(super) tool_calls: Option<Vec<Call>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Call {
    pub(super) id: Option<String>,
    pub(super) function: Function,
}

#[derive(Debug, Deserialize)]
pub(super) struct Function {
    pub(super) name: String,
    /// As they were written.
    pub(super) arguments: Option<Box<RawValue>>,
}
