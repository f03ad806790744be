//! Answers that nobody asked a model for: of providers that are mocks, caches or the like.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use campanile::Usage;
use futures_core::Stream;

use super::{ChatCompletion, ChatEvent, ChatResponse, FinishReason, Meta};
use crate::{
    dialect::{
        Asked, Dialect,
        neutral::{Delta, Whole},
    },
    error::Error,
    stream::ChatStream,
    usage::Tally,
};

/// Events that are there already.
struct Ready(VecDeque<ChatEvent>);

impl ChatCompletion {
    /// A text as a whole answer in OpenAI's dialect, with what it took.
    ///
    /// ```
    /// use campanile::Usage;
    /// use campanile_llm::chat::ChatCompletion;
    ///
    /// let usage = Usage { input_tokens: Some(9), output_tokens: Some(1), ..Usage::default() };
    /// let completion = ChatCompletion::openai("Rome", usage);
    /// assert_eq!(completion.text(), "Rome");
    /// assert_eq!(completion.usage().total_tokens(), Some(10));
    /// ```
    #[must_use]
    pub fn openai(text: impl Into<String>, usage: Usage) -> Self {
        let whole = Whole {
            model: "made".to_owned(),
            text: text.into(),
            finish: Some(FinishReason::Stop),
            usage: Some(usage),
            ..Whole::default()
        };
        Dialect::OpenAi.completion(&whole, None, Tally::new(0, 4.0))
    }
}

/// A token for four bytes, of the answer; of the prompt nothing is known.
fn taken(bytes: usize) -> Usage {
    Usage {
        input_tokens: Some(0),
        output_tokens: Some((bytes as u64).div_ceil(4)),
        ..Usage::default()
    }
}

impl ChatResponse {
    /// A text as a whole answer in OpenAI's dialect: all that a mock of a provider needs. It took no input, and a token for
    /// each four bytes; [`ChatCompletion::openai`] takes what you say.
    ///
    /// ```
    /// use campanile::Call;
    /// use campanile_llm::{Error, chat::{ChatRequest, ChatResponse}};
    /// use tower::service_fn;
    ///
    /// let mock = service_fn(|_: Call<ChatRequest>| async { Ok::<_, Error>(ChatResponse::text("Rome")) });
    /// # let _ = mock;
    /// ```
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        let usage = taken(text.len());
        Self::whole(Meta::default(), ChatCompletion::openai(text, usage))
    }

    /// Pieces of a text as a streamed answer in OpenAI's dialect, an event each, with usage and a proof of the end.
    #[must_use]
    pub fn text_stream<T: Into<String>>(pieces: impl IntoIterator<Item = T>) -> Self {
        let pieces: Vec<String> = pieces.into_iter().map(Into::into).collect();
        let model: Arc<str> = "made".into();
        let mut deltas = vec![Delta::Start {
            id: String::new(),
            model: model.to_string(),
        }];
        let usage = taken(pieces.iter().map(String::len).sum());
        deltas.extend(pieces.into_iter().map(Delta::Text));
        deltas.extend([
            Delta::Finish(FinishReason::Stop),
            Delta::Usage(usage),
            Delta::End,
        ]);
        let asked = Asked {
            model,
            usage: true,
            choices: 1,
        };
        let events = Dialect::OpenAi.events(deltas, asked, Tally::new(0, 4.0));
        Self::stream(Meta::default(), ChatStream::new(Ready(events)))
    }
}

impl Stream for Ready {
    type Item = Result<ChatEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}
