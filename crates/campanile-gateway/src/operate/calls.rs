//! Around all routes: the id of each call, and the access log.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    access_log::{Logged, LoggedBody},
    request_id::{REQUEST_ID, RequestId},
};
use crate::{config::AccessLog, gateway::Gateway};

/// Gives each request its [`RequestId`], and its answer the same; logs it, if the settings say so.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub(crate) struct CallsLayer {
    gateway: Gateway,
}

/// A service whose calls have ids.
#[derive(Debug, Clone)]
pub(crate) struct Calls<S> {
    inner: S,
    gateway: Gateway,
}

pin_project! {
    /// The answer of [`Calls`].
    pub(crate) struct CallsFuture<F> {
        #[pin]
        inner: F,
        id: RequestId,
        logged: Option<Box<Logged>>,
    }
}

// ===== impl CallsLayer =====

impl CallsLayer {
    pub(crate) const fn new(gateway: Gateway) -> Self {
        Self { gateway }
    }
}

impl<S> Layer<S> for CallsLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Calls<S> {
        Calls {
            inner,
            gateway: self.gateway.clone(),
        }
    }
}

// ===== impl Calls =====

impl<S, B, Out> Service<Request<B>> for Calls<S>
where
    S: Service<Request<B>, Response = Response<Out>>,
    Out: Body,
{
    type Response = Response<LoggedBody<Out>>;
    type Error = S::Error;
    type Future = CallsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut id = RequestId::of(request.headers());
        let mut logged = None;
        let which = self.gateway.live().config.log.access;
        if which != AccessLog::Off {
            logged = Some(Logged::begin(which, &request, id.text()));
            id = id.logged();
        }
        request.extensions_mut().insert(id.clone());
        CallsFuture {
            inner: self.inner.call(request),
            id,
            logged,
        }
    }
}

// ===== impl CallsFuture =====

impl<F, Out, E> Future for CallsFuture<F>
where
    F: Future<Output = Result<Response<Out>, E>>,
    Out: Body,
{
    type Output = Result<Response<LoggedBody<Out>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        response.headers_mut().insert(REQUEST_ID, this.id.header());
        let mut logged = this.logged.take();
        if let Some(logged) = &mut logged {
            logged.head(&mut response);
            if response.body().is_end_stream() {
                logged.is_whole();
            }
        }
        Poll::Ready(Ok(response.map(|body| LoggedBody::new(body, logged))))
    }
}

impl<F> fmt::Debug for CallsFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallsFuture")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
