//! Around all routes: the id of each call.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::request_id::{REQUEST_ID, RequestId};

/// Gives each request its [`RequestId`], and its answer the same.
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "a layer does nothing until it is applied"]
pub(crate) struct CallsLayer;

/// A service whose calls have ids.
#[derive(Debug, Clone)]
pub(crate) struct Calls<S> {
    inner: S,
}

pin_project! {
    /// The answer of [`Calls`].
    pub(crate) struct CallsFuture<F> {
        #[pin]
        inner: F,
        id: RequestId,
    }
}

// ===== impl CallsLayer =====

impl<S> Layer<S> for CallsLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Calls<S> {
        Calls { inner }
    }
}

// ===== impl Calls =====

impl<S, B, Out> Service<Request<B>> for Calls<S>
where
    S: Service<Request<B>, Response = Response<Out>>,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = CallsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let id = RequestId::of(request.headers());
        request.extensions_mut().insert(id.clone());
        CallsFuture {
            inner: self.inner.call(request),
            id,
        }
    }
}

// ===== impl CallsFuture =====

impl<F, Out, E> Future for CallsFuture<F>
where
    F: Future<Output = Result<Response<Out>, E>>,
{
    type Output = Result<Response<Out>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        response.headers_mut().insert(REQUEST_ID, this.id.header());
        Poll::Ready(Ok(response))
    }
}

impl<F> fmt::Debug for CallsFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallsFuture")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
