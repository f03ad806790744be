use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use campanile::Call;
use campanile_llm::Error;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// Notes in the trail of each call that explains where it is: in this stage, or in this pool. Errors that come out of a stage
/// are noted as logged: the stage is within what logs them.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub(crate) struct AtLayer {
    what: &'static str,
    name: Arc<str>,
}

const STAGE: &str = "stage";

/// A service of calls, which notes where they are.
#[derive(Debug, Clone)]
pub(crate) struct At<S> {
    inner: S,
    layer: AtLayer,
}

pin_project! {
    /// A call of [`At`].
    pub(crate) struct AtFuture<F> {
        #[pin]
        inner: F,
        is_logged: bool,
    }
}

// ===== impl AtLayer =====

impl AtLayer {
    /// Around a stage of this name.
    pub(crate) fn stage(name: impl Into<Arc<str>>) -> Self {
        Self {
            what: STAGE,
            name: name.into(),
        }
    }

    /// Around a pool of this name, and its retries and hedges.
    pub(crate) fn pool(name: impl Into<Arc<str>>) -> Self {
        Self {
            what: "pool",
            name: name.into(),
        }
    }
}

impl<S> Layer<S> for AtLayer {
    type Service = At<S>;

    fn layer(&self, inner: S) -> At<S> {
        At {
            inner,
            layer: self.clone(),
        }
    }
}

// ===== impl At =====

impl<S, T> Service<Call<T>> for At<S>
where
    S: Service<Call<T>, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = AtFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, call: Call<T>) -> Self::Future {
        if let Some(trail) = &call.context.trail {
            trail.at(self.layer.what, &self.layer.name);
        }
        AtFuture {
            inner: self.inner.call(call),
            is_logged: self.layer.what == STAGE,
        }
    }
}

// ===== impl AtFuture =====

impl<F, T> Future for AtFuture<F>
where
    F: Future<Output = Result<T, Error>>,
{
    type Output = Result<T, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(match ready!(this.inner.poll(cx)) {
            Err(error) if *this.is_logged => Err(error.with_logged()),
            result => result,
        })
    }
}
