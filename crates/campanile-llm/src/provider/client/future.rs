use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;

use super::{
    HttpBody, HttpError, connect,
    h1::{Connection, Exchange},
};

/// The response future of an [`HttpClient`](super::HttpClient).
#[must_use = "futures do nothing unless polled"]
pub struct HttpFuture {
    state: State,
}

#[allow(clippy::large_enum_variant)] // the large ones are the usual ones
enum State {
    /// About to begin on a connection that was idle when the call was made.
    Idle(Connection, Request<Full<Bytes>>),
    /// On that connection.
    Exchange(Exchange),
    /// Over a connection that is made first, or shared: its type is not one that can be written down.
    Connecting(Pin<Box<dyn Future<Output = Result<Response<HttpBody>, HttpError>> + Send>>),
    Failed(Option<HttpError>),
}

// ===== impl HttpFuture =====

impl HttpFuture {
    pub(super) const fn idle(connection: Connection, request: Request<Full<Bytes>>) -> Self {
        Self {
            state: State::Idle(connection, request),
        }
    }

    pub(super) fn connecting(
        future: impl Future<Output = Result<Response<HttpBody>, HttpError>> + Send + 'static,
    ) -> Self {
        Self {
            state: State::Connecting(Box::pin(future)),
        }
    }

    pub(super) const fn failed(error: HttpError) -> Self {
        Self {
            state: State::Failed(Some(error)),
        }
    }
}

impl HttpFuture {
    /// Sees whether its connection is still good: it may have been a while since. If it is not, the call has not begun, and finds
    /// another as any call does.
    fn begin(&mut self) {
        if !matches!(self.state, State::Idle(..)) {
            return;
        }
        let state = mem::replace(&mut self.state, State::Failed(None));
        let State::Idle(mut connection, request) = state else {
            return;
        };
        *self = match connection.is_stale() {
            false => Self {
                state: State::Exchange(Exchange::new(connection, request)),
            },
            true => Self::connecting(connect::call(Arc::clone(connection.origin()), request)),
        };
    }
}

impl Future for HttpFuture {
    type Output = Result<Response<HttpBody>, HttpError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.begin();
        match &mut self.state {
            State::Exchange(exchange) => Pin::new(exchange).poll(cx),
            State::Connecting(future) => future.as_mut().poll(cx),
            State::Failed(error) => {
                Poll::Ready(Err(error.take().expect("polled after it was ready")))
            }
            State::Idle(..) => unreachable!("it has begun"),
        }
    }
}

impl fmt::Debug for HttpFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFuture").finish_non_exhaustive()
    }
}
