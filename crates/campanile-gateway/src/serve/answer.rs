//! Which request is whose.

use axum::Router;
use bytes::Bytes;
use campanile::BoxError;
use campanile_llm::{Error, dialect::Dialect};
use http::{HeaderValue, Method, Request, Response, request::Parts};
use http_body::Body as HttpBody;
use tower::ServiceExt;

use super::{
    body::Body,
    chat, embed, models,
    path::{Target, What},
    read, refuse,
};
use crate::{access::Said, config::ServerConfig, gateway::Gateway, operate::RequestId};

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
    gateway: &Gateway,
    operate: &Router,
    request: Request<B>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let Some(target) = Target::of(request.uri().path()) else {
        return others(operate, request).await;
    };
    let (is_call, is_anthropic) = match target.what {
        What::Chat(_) | What::Embeddings => (true, false),
        What::Models | What::Model(_) => (false, Said::read(request.headers()).is_anthropic),
    };
    let dialect = target.dialect(is_anthropic);
    let allowed = target.allowed();
    match (request.method(), is_call) {
        (&Method::POST, true) | (&Method::GET | &Method::HEAD, false) => {}
        (&Method::OPTIONS, _) => return refuse::options(allowed),
        _ => return refuse::wrong_method(allowed, dialect),
    }
    if is_call && gateway.stopping() {
        return refuse::stopping(dialect);
    }
    let (parts, body) = request.into_parts();
    // Once more, since what it found lies in the parts; it costs less than a copy.
    let Some(Target { stage, what }) = Target::of(parts.uri.path()) else {
        return refuse::no_path(parts.uri.path(), dialect);
    };
    let said = Said::read(&parts.headers);
    let stage = stage.or_else(|| {
        said.stage
            .and_then(|stage| stage.to_str().ok())
            .map(Into::into)
    });
    let asked = Asked {
        gateway,
        dialect,
        parts: &parts,
        said: &said,
        stage: stage.as_deref(),
    };
    match what {
        What::Chat(_) => chat::answer(&asked, body).await,
        What::Embeddings => embed::answer(&asked, body).await,
        What::Models => models::list(&asked),
        What::Model(id) => models::one(&asked, &id),
    }
}

/// A request of a caller's, but for its body.
pub(super) struct Asked<'a> {
    pub(super) gateway: &'a Gateway,
    /// What it is answered in.
    pub(super) dialect: Dialect,
    pub(super) parts: &'a Parts,
    pub(super) said: &'a Said<'a>,
    /// The stage that the path or a header names.
    pub(super) stage: Option<&'a str>,
}

/// What is not for callers, or is nowhere.
async fn others<B>(operate: &Router, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    match operate.clone().oneshot(request).await {
        Ok(response) => response.map(Body::other),
        Err(never) => match never {},
    }
}

/// What there is at no path.
pub(super) async fn nowhere(request: Request<axum::body::Body>) -> Response<axum::body::Body> {
    let path = request.uri().path();
    let is_anthropic = Said::read(request.headers()).is_anthropic;
    let dialect = match is_anthropic {
        true => Dialect::Anthropic,
        false => dialect_of(path),
    };
    refuse::no_path(path, dialect).map(axum::body::Body::new)
}

// ===== impl Asked =====

impl Asked<'_> {
    /// The id that was given to it.
    pub(super) fn id(&self) -> RequestId {
        let given = self.parts.extensions.get::<RequestId>();
        given.map_or_else(|| RequestId::of(&self.parts.headers), Clone::clone)
    }

    /// Reads the body, if it is JSON.
    pub(super) async fn json<B>(&self, body: B, limits: &Limits) -> Result<Bytes, Error>
    where
        B: HttpBody<Data = Bytes>,
    {
        if !self.said.content_type.is_some_and(is_json) {
            return Err(refuse::not_json());
        }
        let length = self.said.content_length;
        read::whole(body, length, limits.max_body, limits.body_timeout).await
    }
}

/// What is needed of the settings after the caller is known.
pub(super) struct Limits {
    max_body: usize,
    body_timeout: std::time::Duration,
    pub(super) heartbeat: std::time::Duration,
}

impl From<&ServerConfig> for Limits {
    fn from(config: &ServerConfig) -> Self {
        Self {
            max_body: config.max_body,
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
