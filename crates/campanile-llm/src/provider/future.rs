use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use campanile::{BoxError, Rejection};
use http::{HeaderMap, Response, header};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{ProviderStream, collect::Collect, settings::Settings};
use crate::{
    chat::{ChatResponse, Meta},
    dialect::{Api, Asked, Decoder, Dialect},
    error::{Class, Error},
    usage::Tally,
};

/// How many bytes of an answer that is no success are read.
const MOST_OF_AN_ERROR: usize = 64 << 10;

pin_project! {
    /// The response future of a [`Provider`](super::Provider), for an answer `A`.
    #[must_use = "futures do nothing unless polled"]
    pub struct ProviderFuture<F, B, A> {
        #[pin]
        state: State<F, B>,
        answer: Option<A>,
        settings: Arc<Settings>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        Refused { error: Option<Error> },
        Head { #[pin] future: F },
        Failed { #[pin] body: Collect<B>, status: u16, headers: HeaderMap },
        Whole { #[pin] body: Collect<B>, meta: Option<Meta>, kind: Kind },
    }
}

/// What a body is, by its `content-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum Kind {
    /// One JSON.
    Json,
    /// Server-sent events, or lines of JSON.
    Stream,
    /// It does not say.
    Unknown,
}

/// What an answer is made to.
#[doc(hidden)]
pub trait Asking<B> {
    /// The whole of it.
    type Answer;

    /// The model that was asked for, by the provider's name of it.
    fn model(&self) -> Option<Arc<str>>;

    /// Whether the body is to be passed on as it comes.
    fn streams(&self, kind: Kind) -> bool;

    /// An answer whose body is passed on as it comes.
    fn stream(self, meta: Meta, body: B, settings: &Arc<Settings>) -> Result<Self::Answer, Error>;

    /// An answer whose body is there.
    fn whole(
        self,
        meta: Meta,
        kind: Kind,
        body: Bytes,
        settings: &Arc<Settings>,
    ) -> Result<Self::Answer, Error>;
}

/// A chat that is under way.
#[derive(Debug)]
#[doc(hidden)]
pub struct AskedChat {
    pub(super) dialect: Dialect,
    pub(super) streamed: bool,
    pub(super) model: Arc<str>,
    pub(super) asked: Asked,
    pub(super) tally: Tally,
}

// ===== impl ProviderFuture =====

impl<F, B, A> ProviderFuture<F, B, A> {
    pub(crate) fn sent(future: F, answer: A, settings: Arc<Settings>) -> Self {
        Self {
            state: State::Head { future },
            answer: Some(answer),
            settings,
        }
    }

    /// A request that cannot be sent.
    pub(crate) fn refused(error: Error, settings: Arc<Settings>) -> Self {
        Self {
            state: State::Refused { error: Some(error) },
            answer: None,
            settings,
        }
    }
}

impl<F, B, E, A> Future for ProviderFuture<F, B, A>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
    A: Asking<B>,
{
    type Output = Result<A::Answer, Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let settings = &*this.settings;
            let next = match this.state.as_mut().project() {
                StateProj::Refused { error } => {
                    let error = error.take().expect("polled after it was ready");
                    return Poll::Ready(Err(settings.own(error, None)));
                }
                StateProj::Head { future } => {
                    let response = match ready!(future.poll(cx)) {
                        Ok(response) => response,
                        Err(error) => {
                            let error = unreachable(error.into());
                            return Poll::Ready(Err(settings.own(error, None)));
                        }
                    };
                    let status = response.status();
                    if !status.is_success() {
                        let (head, body) = response.into_parts();
                        State::Failed {
                            body: Collect::beginning(body, MOST_OF_AN_ERROR),
                            status: status.as_u16(),
                            headers: head.headers,
                        }
                    } else {
                        let answer = this.answer.as_ref().expect("polled after it was ready");
                        let meta = settings.meta(answer.model(), &response);
                        let kind = match kind(settings.api, response.headers()) {
                            Ok(kind) => kind,
                            Err(error) => {
                                let error = error.with_status(status.as_u16());
                                let error = settings.own(error, meta.request_id.as_deref());
                                return Poll::Ready(Err(error));
                            }
                        };
                        let body = response.into_body();
                        if answer.streams(kind) {
                            let id = meta.request_id.clone();
                            let answer = this.answer.take().expect("it was there");
                            let result = answer.stream(meta, body, settings);
                            return Poll::Ready(
                                result.map_err(|error| settings.own(error, id.as_deref())),
                            );
                        }
                        State::Whole {
                            body: Collect::all(body, settings.max_body),
                            meta: Some(meta),
                            kind,
                        }
                    }
                }
                StateProj::Failed {
                    body,
                    status,
                    headers,
                } => {
                    let body = ready!(body.poll(cx)).unwrap_or_default();
                    return Poll::Ready(Err(settings.failure(*status, headers, &body)));
                }
                StateProj::Whole { body, meta, kind } => {
                    let result = ready!(body.poll(cx));
                    let meta = meta.take().expect("polled after it was ready");
                    let answer = this.answer.take().expect("polled after it was ready");
                    let id = meta.request_id.clone();
                    let result = result.and_then(|body| match body.trim_ascii().is_empty() {
                        true => Err(Error::new(Class::Empty, "the answer has no body")),
                        false => answer.whole(meta, *kind, body, settings),
                    });
                    return Poll::Ready(result.map_err(|error| settings.own(error, id.as_deref())));
                }
            };
            this.state.set(next);
        }
    }
}

/// The error of an HTTP client that got no head. Of a layer around it that refused, the refusal.
pub(super) fn unreachable(error: BoxError) -> Error {
    match Rejection::find(&*error) {
        Some(rejection) => Error::from(*rejection),
        None => {
            let message =
                "the provider could not be reached, or the connection broke before its head";
            Error::new(Class::Unreachable, message).with_source(error)
        }
    }
}

/// What the body is.
fn kind(api: Api, headers: &HeaderMap) -> Result<Kind, Error> {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let kind = value.split(';').next().unwrap_or("").trim();
    let is = |name: &str| kind.eq_ignore_ascii_case(name);
    if is("text/html") {
        let message = "the answer is a web page: nothing there speaks the provider's interface";
        return Err(Error::new(Class::Malformed, message));
    }
    Ok(match api {
        Api::Ollama if is("application/x-ndjson") => Kind::Stream,
        // Its whole answer is a line of its stream, so it matters not what that is called.
        Api::Ollama => Kind::Unknown,
        _ if is("application/json") => Kind::Json,
        _ if is("text/event-stream") => Kind::Stream,
        _ => Kind::Unknown,
    })
}

// ===== impl AskedChat =====

impl<B> Asking<B> for AskedChat {
    type Answer = ChatResponse<ProviderStream<B>>;

    fn model(&self) -> Option<Arc<str>> {
        Some(Arc::clone(&self.model))
    }

    fn streams(&self, kind: Kind) -> bool {
        self.streamed && kind != Kind::Json
    }

    fn stream(self, meta: Meta, body: B, settings: &Arc<Settings>) -> Result<Self::Answer, Error> {
        let frames = settings.api.frames(settings.max_frame);
        let decoder = Decoder::new(settings.api, self.dialect, self.asked, self.tally);
        let id = meta.request_id.clone();
        let stream = ProviderStream::new(body, frames, decoder, Arc::clone(settings), id);
        Ok(ChatResponse::stream(meta, stream))
    }

    fn whole(
        self,
        meta: Meta,
        kind: Kind,
        body: Bytes,
        settings: &Arc<Settings>,
    ) -> Result<Self::Answer, Error> {
        let api = settings.api;
        if self.streamed {
            // It came whole all the same; the caller gets a stream.
            let whole = api.whole(body)?;
            let events = self
                .dialect
                .events(whole.into_deltas(), self.asked, self.tally);
            let id = meta.request_id.clone();
            let stream = ProviderStream::of(events, Arc::clone(settings), id);
            return Ok(ChatResponse::stream(meta, stream));
        }
        let completion = match kind {
            // It came as a stream all the same; the caller gets what it makes together.
            Kind::Stream => self
                .dialect
                .completion(&api.collect(body)?, None, self.tally),
            Kind::Json | Kind::Unknown => api.completion(self.dialect, body, self.tally)?,
        };
        Ok(ChatResponse::whole(meta, completion))
    }
}

impl<F, B, A> fmt::Debug for ProviderFuture<F, B, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderFuture")
            .field("provider", &self.settings.name)
            .finish_non_exhaustive()
    }
}
