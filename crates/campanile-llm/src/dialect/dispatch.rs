//! Which functions serve which interface and dialect.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;

use super::{
    Api, Dialect, anthropic,
    codec::{Decode, Parse, Render, Translated},
    gemini,
    neutral::{Delta, Whole},
    ollama, openai,
};
use crate::{
    chat::{ChatCompletion, ChatEvent, ChatRequest},
    error::Error,
    provider::{PastReasoning, TokenLimit},
    stream::{Frame, NdjsonFrames, SseFrames},
    usage::Tally,
};

/// A request as it goes out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Behind the base of the provider's address, with a slash before it; a query too, where there is one.
    pub(crate) path: String,
    pub(crate) body: Bytes,
    /// What the interface wants beside the key and the type of the content.
    pub(crate) headers: HeaderMap,
}

/// What a renderer knows of the request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The model, by the caller's name.
    pub(crate) model: Arc<str>,
    /// Whether the caller wants usage told in the stream, where the dialect lets one choose.
    pub(crate) usage: bool,
    /// How many choices it asked for.
    pub(crate) choices: u32,
}

/// What cuts frames out of a body.
#[derive(Debug)]
pub(crate) enum Frames {
    Sse(SseFrames),
    Ndjson(NdjsonFrames),
}

/// Reads a provider's stream into events of the caller's dialect.
pub(crate) enum Decoder {
    OpenAi(openai::Verbatim),
    /// One allocation for the whole stream.
    Other(Box<dyn Decode + Send>),
}

// ===== impl Api =====

impl Api {
    /// Writes a chat for this interface, with the provider's name of the model. `usage` asks for it to be told in streams,
    /// where the interface lets one choose, `limit` is what the limit of tokens is called there, and `past` what a server of
    /// OpenAI's interface is sent of earlier reasoning.
    pub(crate) fn chat_request(
        self,
        request: &ChatRequest,
        model: &str,
        usage: bool,
        limit: TokenLimit,
        past: PastReasoning,
    ) -> Result<Outgoing, Error> {
        // The other dialect's requests go through OpenAI's, but to where they are spoken.
        let hub;
        let request = match (request.dialect(), self) {
            (Dialect::OpenAi, _) | (Dialect::Anthropic, Self::Anthropic) => request,
            (Dialect::Anthropic, _) => {
                // Those that take none leave it out, and others have a place of their own for it.
                let past = match self {
                    Self::OpenAi => past,
                    _ => PastReasoning::Sealed,
                };
                hub = anthropic::to_openai(request, past)?;
                &hub
            }
        };
        match self {
            Self::OpenAi => openai::chat_request(&limit.named(request), model, usage),
            Self::Anthropic => anthropic::chat_request(request, model),
            Self::Gemini => gemini::chat_request(request, model),
            Self::Ollama => ollama::chat_request(request, model),
        }
    }

    /// What an answer that is no success means.
    pub(crate) fn error(self, status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
        match self {
            Self::OpenAi => openai::error(status, headers, body),
            Self::Anthropic => anthropic::error(status, headers, body),
            Self::Gemini => gemini::error(status, headers, body),
            Self::Ollama => ollama::error(status, headers, body),
        }
    }

    /// Reads a whole answer, for a caller of this dialect. The tally has the estimate.
    pub(crate) fn completion(
        self,
        dialect: Dialect,
        body: Bytes,
        tally: Tally,
    ) -> Result<ChatCompletion, Error> {
        let same = match (self, dialect) {
            (Self::OpenAi, Dialect::OpenAi) => return openai::completion(body, tally),
            (Self::Anthropic, Dialect::Anthropic) => true,
            _ => false,
        };
        let whole = self.whole(body.clone())?;
        Ok(dialect.completion(&whole, same.then_some(body), tally))
    }

    /// How its streams are framed.
    pub(crate) fn frames(self, cap: usize) -> Frames {
        match self {
            Self::Ollama => Frames::Ndjson(NdjsonFrames::new(cap)),
            _ => Frames::Sse(SseFrames::new(cap)),
        }
    }

    /// Puts a stream together that came where a whole answer was asked for.
    pub(crate) fn collect(self, body: Bytes) -> Result<Whole, Error> {
        match self {
            Self::OpenAi => collect(openai::parser(), self.frames(body.len() + 1), body),
            Self::Anthropic => collect(anthropic::parser(), self.frames(body.len() + 1), body),
            Self::Gemini => collect(gemini::parser(), self.frames(body.len() + 1), body),
            Self::Ollama => collect(ollama::parser(), self.frames(body.len() + 1), body),
        }
    }

    /// Reads a whole answer.
    pub(crate) fn whole(self, body: Bytes) -> Result<Whole, Error> {
        match self {
            Self::OpenAi => openai::whole(body),
            Self::Anthropic => anthropic::whole(body),
            Self::Gemini => gemini::whole(body),
            Self::Ollama => ollama::whole(body),
        }
    }
}

fn collect(mut parser: impl Parse, mut frames: Frames, body: Bytes) -> Result<Whole, Error> {
    let mut whole = Whole::default();
    let mut deltas = Vec::new();
    frames.push(body);
    while let Some(frame) = frames.end()? {
        parser.frame(&frame, &mut deltas)?;
        deltas.drain(..).for_each(|delta| whole.add(delta));
    }
    parser.end(&mut deltas)?;
    deltas.drain(..).for_each(|delta| whole.add(delta));
    Ok(whole)
}

// ===== impl Frames =====

impl Frames {
    pub(crate) fn push(&mut self, chunk: Bytes) {
        match self {
            Self::Sse(frames) => frames.push(chunk),
            Self::Ndjson(frames) => frames.push(chunk),
        }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Error> {
        match self {
            Self::Sse(frames) => frames.next(),
            Self::Ndjson(frames) => frames.next(),
        }
    }

    pub(crate) fn end(&mut self) -> Result<Option<Frame>, Error> {
        match self {
            Self::Sse(frames) => frames.end(),
            Self::Ndjson(frames) => frames.end(),
        }
    }
}

// ===== impl Dialect =====

impl Dialect {
    /// An answer that is there as the events of a stream in this dialect.
    pub(crate) fn events(
        self,
        deltas: Vec<Delta>,
        asked: Asked,
        tally: Tally,
    ) -> VecDeque<ChatEvent> {
        let mut events = VecDeque::new();
        match self {
            Self::OpenAi => {
                let mut render = Translated::new((), openai::renderer(asked), tally);
                render.replay(deltas, &mut events);
            }
            Self::Anthropic => {
                let mut render = Translated::new((), anthropic::renderer(asked), tally);
                render.replay(deltas, &mut events);
            }
        }
        events
    }

    /// A whole answer in this dialect. Its body is written, unless it came in this dialect. The tally has the estimate.
    pub(crate) fn completion(
        self,
        whole: &Whole,
        body: Option<Bytes>,
        mut tally: Tally,
    ) -> ChatCompletion {
        let calls = whole.tool_calls.iter();
        let calls = calls.map(|call| call.function.name.len() + call.function.arguments.len());
        let said =
            whole.text.len() + whole.reasoning.len() + whole.refusal.len() + calls.sum::<usize>();
        tally.said(said as u64);
        if let Some(usage) = &whole.usage {
            tally.report(usage);
        }
        let passes = whole.beside && body.is_some();
        ChatCompletion {
            dialect: self,
            body: body.unwrap_or_else(|| match self {
                Self::OpenAi => openai::render_whole(whole),
                Self::Anthropic => anthropic::render_whole(whole),
            }),
            finish: whole.finish,
            usage: tally.usage(),
            reported: tally.is_reported(),
            empty: said == 0 && whole.tool_calls.is_empty() && !passes,
        }
    }
}

// ===== impl Asked =====

impl Asked {
    /// What a request asks for.
    pub(crate) fn by(request: &ChatRequest) -> Self {
        Self {
            model: request.model_shared(),
            usage: openai::asks_usage(request) == Some(true),
            choices: openai::choices(request),
        }
    }
}

// ===== impl Decoder =====

impl Decoder {
    /// The one that reads this interface into this dialect.
    pub(crate) fn new(api: Api, dialect: Dialect, asked: Asked, tally: Tally) -> Self {
        match (api, dialect) {
            (Api::OpenAi, Dialect::OpenAi) => Self::OpenAi(openai::verbatim(&asked, tally)),
            (Api::Anthropic, Dialect::Anthropic) => {
                Self::Other(Box::new(anthropic::verbatim(tally)))
            }
            (Api::OpenAi, dialect) => Self::translated(openai::parser(), dialect, asked, tally),
            (Api::Anthropic, dialect) => {
                Self::translated(anthropic::parser(), dialect, asked, tally)
            }
            (Api::Gemini, dialect) => Self::translated(gemini::parser(), dialect, asked, tally),
            (Api::Ollama, dialect) => Self::translated(ollama::parser(), dialect, asked, tally),
        }
    }

    fn translated<P>(parser: P, dialect: Dialect, asked: Asked, tally: Tally) -> Self
    where
        P: Parse + Send + 'static,
    {
        fn boxed<P, R>(parser: P, renderer: R, tally: Tally) -> Decoder
        where
            P: Parse + Send + 'static,
            R: Render + Send + 'static,
        {
            Decoder::Other(Box::new(Translated::new(parser, renderer, tally)))
        }
        match dialect {
            Dialect::OpenAi => boxed(parser, openai::renderer(asked), tally),
            Dialect::Anthropic => boxed(parser, anthropic::renderer(asked), tally),
        }
    }
}

impl Decode for Decoder {
    #[inline]
    fn frame(&mut self, frame: Frame, events: &mut VecDeque<ChatEvent>) -> Result<(), Error> {
        match self {
            Self::OpenAi(decode) => Decode::frame(decode, frame, events),
            Self::Other(decode) => decode.frame(frame, events),
        }
    }

    fn end(&mut self, events: &mut VecDeque<ChatEvent>) -> Result<(), Error> {
        match self {
            Self::OpenAi(decode) => Decode::end(decode, events),
            Self::Other(decode) => decode.end(events),
        }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}
