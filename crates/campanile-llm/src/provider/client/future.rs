use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;

use super::{HttpBody, HttpError, h1::Exchange};

/// The response future of an [`HttpClient`](super::HttpClient).
#[must_use = "futures do nothing unless polled"]
pub struct HttpFuture {
    state: State,
}

#[allow(clippy::large_enum_variant)] // the large one is the usual one
enum State {
    /// On a connection that was idle.
    Exchange(Exchange),
    /// Over a connection that is made first, or shared: its type is not one that can be written down.
    Connecting(Pin<Box<dyn Future<Output = Result<Response<HttpBody>, HttpError>> + Send>>),
    Failed(Option<HttpError>),
}

// ===== impl HttpFuture =====

impl HttpFuture {
    pub(super) const fn exchange(exchange: Exchange) -> Self {
        Self {
            state: State::Exchange(exchange),
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

impl Future for HttpFuture {
    type Output = Result<Response<HttpBody>, HttpError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Exchange(exchange) => Pin::new(exchange).poll(cx),
            State::Connecting(future) => future.as_mut().poll(cx),
            State::Failed(error) => {
                Poll::Ready(Err(error.take().expect("polled after it was ready")))
            }
        }
    }
}

impl fmt::Debug for HttpFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFuture").finish_non_exhaustive()
    }
}
