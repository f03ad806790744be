//! HTTP without sockets: a service that answers with bytes, for tests of many thousand answers.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use campanile::BoxError;
use campanile_llm::dialect::Api;
use futures_util::{Stream, StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use tower::{Service, service_fn};

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// As a whole one does.
    Eof,
    /// In an error, as one does whose connection is reset.
    Error,
    /// It does not.
    Never,
}

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A body of these chunks.
pub(crate) fn body(chunks: Vec<Bytes>, end: End) -> Body {
    let chunks = stream::iter(chunks).map(|chunk| Ok(Frame::data(chunk)));
    let end: Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send + Unpin> = match end {
        End::Eof => Box::new(stream::empty()),
        End::Error => Box::new(stream::iter([Err(io::ErrorKind::ConnectionReset.into())])),
        End::Never => Box::new(stream::pending()),
    };
    StreamBody::new(chunks.chain(end)).boxed_unsync()
}

/// A service that answers each request with a stream of this interface.
pub(crate) fn streams(
    api: Api,
    chunks: Vec<Bytes>,
    end: End,
) -> impl Service<Request<Full<Bytes>>, Response = Response<Body>, Error = BoxError, Future: Send> + Clone
{
    let kind = match api {
        Api::Ollama => "application/x-ndjson",
        _ => "text/event-stream",
    };
    service_fn(move |_| {
        let response = Response::builder()
            .header("content-type", kind)
            .body(body(chunks.clone(), end))
            .unwrap();
        async { Ok(response) }
    })
}

/// Counts what is alive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alive(Arc<AtomicUsize>);

/// One of them.
#[derive(Debug)]
pub(crate) struct One(Arc<AtomicUsize>);

// ===== impl Alive =====

impl Alive {
    pub(crate) fn one(&self) -> One {
        self.0.fetch_add(1, Ordering::Relaxed);
        One(Arc::clone(&self.0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
