//! How many tokens a prompt is, and how long its answer will be, before anybody has counted.
//!
//! | what | how | where |
//! |---|---|---|
//! | tokens of a prompt | counted by the model's own tokenizer, where there is one | [`CountTokens`] of `campanile-tiktoken` |
//! | tokens of a prompt, or of what an answer has so far | bytes, by a ratio learned from what was reported | [`Calibrated`] |
//! | length of an answer | the ninth decile of those before, by model and by the most that it may have | [`OutputLengths`] |
//!
//! **State.** Learned values are atomics; reading and learning take no lock, and allocate only for a model that is new.
//! Models are bounded in number: what clients write into a request fills no memory.
//!
//! **Sharing.** Clones share what is learned: one [`Calibrated`] may serve the layer that estimates and all providers.
//!
//! How far off an estimate from bytes is: see the tests, which hold English, German, Chinese, code and JSON against the real
//! tokenizer, at four bytes a token and after twenty answers.

use crate::chat::ChatRequest;

mod by_model;
mod calibrated;
mod histogram;
mod lengths;
mod prompt;
mod ratio;
#[cfg(test)]
mod tests;

pub(crate) use by_model::Place;
pub use calibrated::Calibrated;
pub use lengths::{Lengths, OutputLengths};
pub use prompt::PromptSize;

/// How many models have values of their own.
const MODELS: usize = 128;

/// Counts tokens, or estimates them.
pub trait CountTokens: Send + Sync {
    /// How many tokens the prompt of a request is: messages, tools, and what the model's template adds. `None` where the model
    /// is not known here.
    fn prompt(&self, request: &ChatRequest) -> Option<u64>;

    /// How many tokens a text is to a model. `None` where the model is not known here.
    fn text(&self, model: &str, text: &str) -> Option<u64>;
}
