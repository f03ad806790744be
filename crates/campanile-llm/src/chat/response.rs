use std::sync::Arc;

use campanile::rate_limit::Advice;

use super::ChatCompletion;
use crate::stream::ChatStream;

/// What a provider answers. Layers put their own stream around that of the provider, so the type of the stream is open;
/// [`boxed`](Self::boxed) closes it.
#[derive(Debug, Clone)]
pub struct ChatResponse<S = ChatStream> {
    /// Where it comes from.
    pub meta: Meta,
    /// What is answered.
    pub answer: Answer<S>,
}

/// An answer: whole, or as it is written.
#[derive(Debug, Clone)]
pub enum Answer<S = ChatStream> {
    /// All of it.
    Whole(ChatCompletion),
    /// Events, as they come.
    Stream(S),
}

/// Where an answer comes from, and what its head said.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Meta {
    /// The provider's name, as it is configured.
    pub provider: Option<Arc<str>>,
    /// The model that was asked for there, by the provider's name of it.
    pub model: Option<Arc<str>>,
    /// The provider's name of the request.
    pub request_id: Option<String>,
    /// What the provider reports of its limits. Boxed: few providers do, and answers are moved from layer to layer.
    pub limits: Option<Box<Advice>>,
    /// Whether it was kept from an earlier call, so that nothing was asked of a provider.
    pub cached: bool,
}

// ===== impl ChatResponse =====

impl<S> ChatResponse<S> {
    /// A whole answer.
    #[must_use]
    pub fn whole(meta: Meta, completion: ChatCompletion) -> Self {
        Self {
            meta,
            answer: Answer::Whole(completion),
        }
    }

    /// A streamed answer.
    pub const fn stream(meta: Meta, stream: S) -> Self {
        Self {
            meta,
            answer: Answer::Stream(stream),
        }
    }

    /// The same answer with another stream.
    pub fn map_stream<T>(self, f: impl FnOnce(S) -> T) -> ChatResponse<T> {
        ChatResponse {
            meta: self.meta,
            answer: match self.answer {
                Answer::Whole(completion) => Answer::Whole(completion),
                Answer::Stream(stream) => Answer::Stream(f(stream)),
            },
        }
    }
}
