//! Tokens of prompts for OpenAI's models, counted by the tokenizers that they use.
//!
//! [`Tiktoken`] is a [`CountTokens`] for `campanile-llm`: give it to an
//! [`Estimator`](campanile_llm::estimate::Estimator). Models of others are not known here, so that what is learned from their
//! reports decides.
//!
//! | models | encoding |
//! |---|---|
//! | `gpt-5`, `gpt-4.1`, `gpt-4.5`, `gpt-4o`, `chatgpt-4o`, `o1`, `o3`, `o4-mini`, and what begins so | `o200k_base` |
//! | `gpt-oss` | `o200k_harmony` |
//! | `gpt-4`, `gpt-3.5`, `text-embedding-3`, `text-embedding-ada`, and what begins so | `cl100k_base` |
//!
//! A name may have somebody's in front (`openai/gpt-4o`) or be that of a fine-tuned model (`ft:gpt-4o:...`).
//!
//! **What a prompt is.** Three tokens for each message and one more for a name, the tokens of its role, name and text, and three
//! for the answer to begin with: the rule of OpenAI's cookbook, "How to count tokens with tiktoken", which says that it is an
//! estimate. Tools are counted as their JSON, a little more than they are; images as 1,600 tokens each.
//!
//! **What it costs.** A tokenizer reads all of a text, on the thread of the call. So of a prompt at most 64 KiB of text are
//! counted, unless it is [set](Tiktoken::with_cap), and the rest is taken to be like them: a long prompt delays no other call.
//! Encodings are loaded when they are first used, which a call should not wait for: [`warm`](Tiktoken::warm) them at the start.
//!
//! # Example
//!
//! ```
//! use campanile_llm::{chat::ChatRequest, tokens::CountTokens};
//! use campanile_tiktoken::Tiktoken;
//!
//! let tokens = Tiktoken::default();
//! assert_eq!(tokens.text("gpt-4o", "Hello, world!"), Some(4));
//! let request = ChatRequest::new("openai/gpt-5-mini").user("Hello, world!");
//! assert_eq!(tokens.prompt(&request), Some(3 + 1 + 4 + 3));
//! assert_eq!(tokens.prompt(&ChatRequest::new("claude-sonnet-5").user("hi")), None);
//! ```
#![forbid(unsafe_code)]

use campanile_llm::{chat::ChatRequest, tokens::CountTokens};
use tiktoken::CoreBpe;

mod counter;
mod prompt;
#[cfg(test)]
mod tests;

use counter::Counter;

/// Counts tokens by the tokenizers of OpenAI's models. See the [crate](self).
#[derive(Debug, Clone, Copy)]
pub struct Tiktoken {
    cap: usize,
}

/// The encodings that are built in.
const ENCODINGS: [&str; 3] = ["o200k_base", "o200k_harmony", "cl100k_base"];

// ===== impl Tiktoken =====

impl Default for Tiktoken {
    fn default() -> Self {
        Self { cap: 64 * 1_024 }
    }
}

impl Tiktoken {
    /// Sets how many bytes of a prompt or a text are counted; the rest is taken to be like them. Default 65,536.
    #[must_use]
    pub const fn with_cap(mut self, bytes: usize) -> Self {
        self.cap = bytes;
        self
    }

    /// Loads the encodings, so that no call has to: at the start, as it takes a while the first time.
    pub fn warm(self) {
        for encoding in ENCODINGS.into_iter().filter_map(tiktoken::get_encoding) {
            let _ = encoding.count("warm");
        }
    }

    /// The name of the encoding of a model, if it is built in.
    #[must_use]
    pub fn encoding(self, model: &str) -> Option<&'static str> {
        let model = model.rsplit_once('/').map_or(model, |(_, model)| model);
        tiktoken::model_to_encoding(model).filter(|name| ENCODINGS.contains(name))
    }

    fn bpe(self, model: &str) -> Option<&'static CoreBpe> {
        tiktoken::get_encoding(self.encoding(model)?)
    }
}

impl CountTokens for Tiktoken {
    fn prompt(&self, request: &ChatRequest) -> Option<u64> {
        let mut counter = Counter::new(self.bpe(request.model())?, self.cap);
        prompt::count(request, &mut counter)?;
        Some(counter.tokens())
    }

    fn text(&self, model: &str, text: &str) -> Option<u64> {
        let mut counter = Counter::new(self.bpe(model)?, self.cap);
        counter.text(text);
        Some(counter.tokens())
    }
}
