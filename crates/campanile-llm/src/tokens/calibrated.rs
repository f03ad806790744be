use std::{fmt, sync::Arc};

use super::{
    CountTokens, MODELS, Place, PromptSize, by_model::ByModel, prompt::tokens, ratio::Ratio,
};
use crate::{chat::ChatRequest, usage::Tally};

/// Estimates tokens from bytes, by what the calls before turned out to be: bytes per token, for each model, of prompts and of
/// answers apart. Begins at 4 bytes a token. Clones share what is learned.
///
/// It remembers the last 20,000 tokens or so of each, so it follows what a service is asked: code, prose, other scripts. Of one
/// call at most 5,000 count. The first 128 models have ratios of their own; further ones share one.
///
/// ```
/// use campanile_llm::tokens::Calibrated;
///
/// let tokens = Calibrated::default();
/// assert_eq!(tokens.text_tokens("m", 400), 100);
/// for _ in 0..20 {
///     tokens.learn_answer("m", 300, 100);
/// }
/// assert!(tokens.text_tokens("m", 300) > 95);
/// assert_eq!(tokens.text_tokens("another", 400), 100);
/// ```
#[derive(Clone, Default)]
pub struct Calibrated {
    shared: Arc<Shared>,
}

struct Shared {
    models: ByModel<Ratios>,
}

#[derive(Debug, Default)]
struct Ratios {
    prompt: Ratio,
    answer: Ratio,
}

// ===== impl Calibrated =====

impl Calibrated {
    /// How many tokens a prompt is, about. Each image, sound or document in it counts as 1,600.
    #[must_use]
    pub fn prompt_tokens(&self, request: &ChatRequest) -> u64 {
        self.size_tokens(request.model(), PromptSize::of(request))
    }

    /// How many tokens a prompt of this size is, about.
    #[must_use]
    pub fn size_tokens(&self, model: &str, size: PromptSize) -> u64 {
        size.tokens(self.of(model, |ratios| ratios.prompt.get()))
    }

    /// How many tokens so many bytes of an answer are, about.
    #[must_use]
    pub fn text_tokens(&self, model: &str, bytes: u64) -> u64 {
        tokens(bytes, self.bytes_per_token(model))
    }

    /// How many bytes of an answer are a token, about.
    #[must_use]
    pub fn bytes_per_token(&self, model: &str) -> f32 {
        self.of(model, |ratios| ratios.answer.get())
    }

    /// The tally of a call that begins, with what is known of its model. `model` is the provider's name of it.
    #[must_use]
    pub fn tally(&self, request: &ChatRequest, model: &str) -> Tally {
        let prompt = self.size_tokens(model, PromptSize::of(request));
        Tally::new(prompt, self.bytes_per_token(model))
    }

    /// A prompt of so many bytes of text was reported to be so many tokens. What cannot be (under half a byte or over 32 bytes
    /// a token) is not learned.
    pub fn learn_prompt(&self, model: &str, bytes: u64, tokens: u64) {
        self.shared.models.entry(model).prompt.learn(bytes, tokens);
    }

    /// An answer of so many bytes was reported to be so many tokens, as for [prompts](Self::learn_prompt).
    pub fn learn_answer(&self, model: &str, bytes: u64, tokens: u64) {
        self.shared.models.entry(model).answer.learn(bytes, tokens);
    }

    /// Where a model is, if it is known: so that it is looked up once in a call.
    pub(crate) fn find(&self, model: &str) -> Option<Place> {
        self.shared.models.find(model)
    }

    /// Likewise, and from now on if it is new.
    pub(crate) fn place(&self, model: &str) -> Place {
        self.shared.models.place(model)
    }

    /// Whose place it is; `None` where that is shared.
    pub(crate) fn name(&self, place: Place) -> Option<&str> {
        self.shared.models.name(place)
    }

    /// How many tokens a prompt is, of a model at a place.
    pub(crate) fn size_tokens_at(&self, place: Option<Place>, size: PromptSize) -> u64 {
        size.tokens(match place {
            Some(place) => self.shared.models.at(place).prompt.get(),
            None => Ratios::default().prompt.get(),
        })
    }

    /// As [`learn_prompt`](Self::learn_prompt), of a model at a place.
    pub(crate) fn learn_prompt_at(&self, place: Place, bytes: u64, tokens: u64) {
        self.shared.models.at(place).prompt.learn(bytes, tokens);
    }

    /// As [`learn_answer`](Self::learn_answer), of a model at a place.
    pub(crate) fn learn_answer_at(&self, place: Place, bytes: u64, tokens: u64) {
        self.shared.models.at(place).answer.learn(bytes, tokens);
    }

    fn of(&self, model: &str, read: impl FnOnce(&Ratios) -> f32) -> f32 {
        match self.shared.models.get(model) {
            Some(ratios) => read(ratios),
            None => read(&Ratios::default()),
        }
    }
}

impl CountTokens for Calibrated {
    fn prompt(&self, request: &ChatRequest) -> Option<u64> {
        Some(self.prompt_tokens(request))
    }

    fn text(&self, model: &str, text: &str) -> Option<u64> {
        Some(self.text_tokens(model, text.len() as u64))
    }
}

impl fmt::Debug for Calibrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calibrated")
            .field("models", &self.shared.models)
            .finish()
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            models: ByModel::new(MODELS),
        }
    }
}
