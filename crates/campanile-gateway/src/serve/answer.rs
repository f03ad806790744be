//! Which request is whose.

use std::sync::{Arc, atomic::AtomicUsize};

use bytes::Bytes;
use campanile::BoxError;
use campanile_llm::{Error, chat::ChatRequest, dialect::Dialect, embed::EmbeddingRequest};
use http::{HeaderValue, Method, Request, Response, StatusCode, request::Parts};
use http_body::Body as HttpBody;
use tower::ServiceExt;

use super::{
    Audience,
    body::Body,
    call,
    calls::Served,
    clocks::Clocks,
    models,
    path::{Target, What},
    read, refuse,
    told::Call,
};
use crate::{access::Said, config::ServerConfig, operate::RequestId};

/// What is answered at this path in, as far as the path tells.
pub(super) fn dialect_of(path: &str) -> Dialect {
    match path.contains("/messages") {
        true => Dialect::Anthropic,
        false => Dialect::OpenAi,
    }
}

/// Answers a request. Callers' paths are found without a table of routes, since all of what is fast is theirs; the others are
/// `operate`'s.
pub(super) async fn answer<B>(
    served: &Served,
    clocks: Option<&Clocks>,
    id: &RequestId,
    request: Request<B>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (parts, body) = request.into_parts();
    let is_for_callers = served.audience != Audience::Operators;
    let Some(target) = Target::of(parts.uri.path()).filter(|_| is_for_callers) else {
        return others(served, id, Request::from_parts(parts, body)).await;
    };
    let said = Said::read(&parts.headers);
    let told = Call {
        gateway: &served.gateway,
        dialect: target.dialect(said.is_anthropic),
        id,
        method: &parts.method,
        path: parts.uri.path(),
    };
    let is_call = matches!(target.what, What::Chat(_) | What::Embeddings);
    match (&parts.method, is_call) {
        (&Method::POST, true) | (&Method::GET | &Method::HEAD, false) => {}
        (&Method::OPTIONS, _) => return refuse::options(target.allowed()),
        _ => return told.wrong_method(target.allowed()),
    }
    if is_call && served.gateway.stopping() {
        return told.stopping();
    }
    let named = || said.stage.and_then(|stage| stage.to_str().ok());
    let stage = target.stage.or_else(|| named().map(Into::into));
    let asked = Asked {
        call: told,
        clocks,
        bodies: &served.bodies,
        parts: &parts,
        said: &said,
        stage: stage.as_deref(),
    };
    match target.what {
        What::Chat(_) => call::answer::<ChatRequest, _>(&asked, body).await,
        What::Embeddings => call::answer::<EmbeddingRequest, _>(&asked, body).await,
        What::Models => models::list(&asked),
        What::Model(id) => models::one(&asked, &id),
    }
}

/// A request of a caller's, but for its body.
pub(super) struct Asked<'a> {
    pub(super) call: Call<'a>,
    /// Those of its connection, where that is ours.
    clocks: Option<&'a Clocks>,
    /// How many bytes the bodies of all have together.
    bodies: &'a Arc<AtomicUsize>,
    pub(super) parts: &'a Parts,
    pub(super) said: &'a Said<'a>,
    /// The stage that the path or a header names.
    pub(super) stage: Option<&'a str>,
}

/// Marks an answer to a path at which there is nothing.
#[derive(Debug, Clone, Copy)]
struct Nowhere;

/// What is not for callers, or is nowhere.
async fn others<B>(served: &Served, id: &RequestId, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let path = uri.path();
    let is_anthropic = Said::read(request.headers()).is_anthropic;
    let call = Call {
        gateway: &served.gateway,
        dialect: match is_anthropic {
            true => Dialect::Anthropic,
            false => dialect_of(path),
        },
        id,
        method: &method,
        path,
    };
    let audience = served.audience;
    let response = match served.operate.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if response.extensions().get::<Nowhere>().is_some() {
        return call.refused(None, None, refuse::no_path(path, audience));
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        call.no_operator();
    }
    response.map(Body::Right)
}

/// What there is at no path.
pub(super) async fn nowhere() -> Response<axum::body::Body> {
    let mut response = Response::default();
    response.extensions_mut().insert(Nowhere);
    response
}

// ===== impl Asked =====

impl Asked<'_> {
    /// It is handed on from here.
    pub(super) fn sends(&self) {
        if let Some(clocks) = self.clocks {
            clocks.sent();
        }
    }

    /// Reads the body, if it is JSON.
    pub(super) async fn json<B>(&self, body: B, limits: &Limits) -> Result<Bytes, Error>
    where
        B: HttpBody<Data = Bytes>,
    {
        if !self.said.content_type.is_some_and(is_json) {
            return Err(refuse::not_json());
        }
        if self
            .said
            .content_encoding
            .is_some_and(|it| it != "identity")
        {
            return Err(refuse::encoded());
        }
        let length = self.said.content_length;
        let room = read::Room {
            taken: self.bodies,
            most: limits.max_body_memory,
        };
        let (most, within) = (limits.max_body, limits.body_timeout);
        read::whole(body, length, most, within, Some(room)).await
    }
}

/// What is needed of the settings after the caller is known.
pub(super) struct Limits {
    max_body: usize,
    max_body_memory: usize,
    body_timeout: std::time::Duration,
    pub(super) heartbeat: std::time::Duration,
}

impl From<&ServerConfig> for Limits {
    fn from(config: &ServerConfig) -> Self {
        Self {
            max_body: config.max_body,
            max_body_memory: config.max_body_memory,
            body_timeout: config.body_timeout,
            heartbeat: config.heartbeat,
        }
    }
}

/// `application/json`, with parameters or without, and what is JSON by another name: `application/problem+json`.
fn is_json(value: &HeaderValue) -> bool {
    let value = value.as_bytes();
    if value == b"application/json" {
        return true;
    }
    let kind = value.split(|byte| *byte == b';').next().unwrap_or(value);
    let kind = kind.trim_ascii().to_ascii_lowercase();
    kind == b"application/json" || (kind.starts_with(b"application/") && kind.ends_with(b"+json"))
}
