//! Answers for tests: what a provider would make of them.

use std::sync::Arc;

use bytes::Bytes;
use campanile::Usage;
use futures_core::Stream;
use futures_util::{StreamExt, stream};

use super::Tally;
use crate::{
    chat::{ChatCompletion, ChatEvent, ChatResponse, FinishReason, Meta, Part},
    dialect::Dialect,
    error::{Class, Error},
};

/// An answer as it is scripted.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Pieces of text, in bytes.
    pub(crate) pieces: Vec<u64>,
    /// What is reported before the end.
    pub(crate) usage: Option<Usage>,
    pub(crate) end: End,
    /// What the provider's tally begins with.
    pub(crate) prompt: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It proves that it is whole.
    Whole,
    /// An error after the pieces.
    Cut,
    /// Nothing more comes.
    Stalled,
    /// A panic after the pieces.
    Panic,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            pieces: vec![40; 5],
            usage: Some(usage(100, 50)),
            end: End::Whole,
            prompt: 80,
        }
    }
}

pub(crate) fn usage(input: u64, output: u64) -> Usage {
    Usage {
        input_tokens: Some(input),
        output_tokens: Some(output),
        ..Usage::default()
    }
}

pub(crate) fn meta(provider: &str, model: &str) -> Meta {
    Meta {
        provider: Some(Arc::from(provider)),
        model: Some(Arc::from(model)),
        ..Meta::default()
    }
}

impl Script {
    /// The answer as a stream.
    pub(crate) fn stream(&self) -> impl Stream<Item = Result<ChatEvent, Error>> + Send + use<> {
        let mut tally = Tally::new(self.prompt, 4.0);
        let mut events = Vec::new();
        let event = |tally: &Tally, part| {
            let frame = Bytes::from_static(b"data: {}\n\n");
            Ok(ChatEvent::new(frame, 6..8, part).with_tally(tally))
        };
        for &piece in &self.pieces {
            tally.said(piece);
            events.push(event(&tally, Part::Content));
        }
        if let (Some(usage), true) = (&self.usage, self.end == End::Whole) {
            tally.report(usage);
            events.push(event(&tally, Part::Idle));
        }
        match self.end {
            End::Whole => events.push(event(&tally, Part::End)),
            End::Cut => events.push(Err(Error::new(Class::Interrupted, "cut"))),
            End::Stalled | End::Panic => {}
        }
        let end = self.end;
        let rest = stream::poll_fn(move |_| match end {
            End::Stalled => std::task::Poll::Pending,
            End::Panic => panic!("as it is scripted"),
            _ => std::task::Poll::Ready(None),
        });
        stream::iter(events).chain(rest)
    }

    /// The answer in one piece.
    pub(crate) fn whole(&self) -> ChatCompletion {
        let mut tally = Tally::new(self.prompt, 4.0);
        tally.said(self.pieces.iter().sum());
        if let Some(usage) = &self.usage {
            tally.report(usage);
        }
        ChatCompletion {
            dialect: Dialect::OpenAi,
            body: Bytes::from_static(b"{}"),
            finish: Some(FinishReason::Stop),
            usage: tally.usage(),
            reported: tally.is_reported(),
            empty: false,
        }
    }

    pub(crate) fn streamed(
        &self,
        meta: Meta,
    ) -> ChatResponse<impl Stream<Item = Result<ChatEvent, Error>> + Send + use<>> {
        ChatResponse::stream(meta, self.stream())
    }
}
