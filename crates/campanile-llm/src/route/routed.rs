use campanile::Context;

use super::Needs;
use crate::{chat::ChatRequest, embed::EmbeddingRequest, tokens::PromptSize};

/// A request that is for a model, so that it can be routed by it.
///
/// ```
/// use campanile_llm::route::Routed;
///
/// #[derive(Clone)]
/// struct Rerank { model: String, texts: Vec<String> }
///
/// impl Routed for Rerank {
///     fn model(&self) -> &str {
///         &self.model
///     }
///
///     fn with_model(mut self, model: &str) -> Self {
///         self.model = model.to_owned();
///         self
///     }
/// }
/// ```
pub trait Routed: Clone {
    /// The model that it asks for.
    fn model(&self) -> &str;

    /// The same request for another model.
    #[must_use]
    fn with_model(self, model: &str) -> Self;

    /// What the model must be able to do. Nothing in particular, unless a request says so.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// The tokens that prompt and answer take, told by nothing but their size: what is believed, unless the context of the call
    /// says that the whole costs less than the prompt alone would. 0 where that cannot be told, so that the context is believed.
    fn estimate(&self) -> u64 {
        0
    }

    /// The [estimate](Self::estimate) of a request that [needs](Self::needs) a model to read images, sounds or files, whose bytes
    /// say nothing. `None` where that cannot be told.
    fn estimate_media(&self) -> Option<u64> {
        None
    }

    /// Of the estimate, the tokens that the answer may take: as many as the request asks for. 0 where it does not say.
    fn answer(&self) -> u64 {
        0
    }

    /// The tokens that the prompt takes for sure, told by nothing but its size: by more a request is refused. 0 where that
    /// cannot be told.
    fn least(&self) -> u64 {
        0
    }

    /// Tells the prompt piece by piece, as bytes that stay the same as a conversation goes on: all of a piece but the last,
    /// which may grow. Nothing, unless a request says so: then no two prompts are known to begin alike.
    fn prompt(&self, tell: &mut dyn FnMut(&[u8])) {
        let _ = tell;
    }
}

/// The tokens that a call is believed to take: its prompt, and the answer that it asks for. The cost in its context is no
/// measure of that: it may be the most that the call can take, reserved for a budget. But a prompt is no longer than what the
/// whole call is said to cost, so a lower one is believed. `None` of a request of whose size nothing can be told.
pub(super) fn tokens<T: Routed>(
    message: &T,
    context: Option<&Context>,
    media: impl FnOnce() -> bool,
) -> Option<u64> {
    let cost = context.and_then(|context| context.cost);
    let known = cost.map(|cost| cost.tokens).filter(|tokens| *tokens > 0);
    let estimate = match media() {
        true => message.estimate_media()?,
        false => message.estimate(),
    };
    let Some(known) = known else {
        return Some(estimate);
    };
    if estimate == 0 {
        return Some(known);
    }
    let answer = message.answer();
    let prompt = estimate.saturating_sub(answer).min(known);
    Some(prompt.saturating_add(answer))
}

/// The tokens that a call takes for sure. A request is refused by these alone, since estimates err to the safe side, and may
/// be several times what a provider counts.
#[cfg(feature = "pool")]
pub(super) fn least<T: Routed>(
    message: &T,
    context: Option<&Context>,
    media: impl FnOnce() -> bool,
) -> Option<u64> {
    let believed = tokens(message, context, media)?;
    Some(believed.min(message.least()))
}

/// Whether a call is believed to take more than `window` tokens.
pub(super) fn exceeds<T: Routed>(message: &T, context: Option<&Context>, window: u64) -> bool {
    // Messages are looked through only where it matters: what they only point to has no bytes here.
    let media = || message.estimate() > window && message.needs().media;
    tokens(message, context, media).is_some_and(|tokens| tokens > window)
}

impl Routed for ChatRequest {
    fn model(&self) -> &str {
        self.model()
    }

    fn with_model(self, model: &str) -> Self {
        self.with_model(model)
    }

    fn needs(&self) -> Needs {
        Needs::of(self)
    }

    /// Four bytes a token, and the longest answer that the request allows.
    fn estimate(&self) -> u64 {
        (self.prompt_bytes() / 4).saturating_add(self.answer())
    }

    /// The same of its text alone.
    fn estimate_media(&self) -> Option<u64> {
        let text = PromptSize::of(self).text;
        Some((text / 4).saturating_add(self.answer()))
    }

    fn answer(&self) -> u64 {
        self.most_tokens().unwrap_or(0)
    }

    /// Thirty-two bytes a token: no text has more of them, also where each of its letters is written as `\u` and its number.
    fn least(&self) -> u64 {
        let text = match self.needs().media {
            true => PromptSize::of(self).text,
            false => self.prompt_bytes(),
        };
        text / 32
    }

    fn prompt(&self, tell: &mut dyn FnMut(&[u8])) {
        let pieces = ["tools", "system", "messages"];
        for piece in pieces.iter().filter_map(|name| self.object().get(name)) {
            tell(piece);
        }
    }
}

impl Routed for EmbeddingRequest {
    fn model(&self) -> &str {
        self.model()
    }

    fn with_model(self, model: &str) -> Self {
        self.with_model(model)
    }

    /// Four bytes a token.
    fn estimate(&self) -> u64 {
        self.input_bytes() / 4
    }
}
