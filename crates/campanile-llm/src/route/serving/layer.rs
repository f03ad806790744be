use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use campanile::Call;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    error::Error,
    route::{Catalogue, Routed},
};

/// Refuses at once what no member of the pool serves. See the [module](super).
#[derive(Debug, Clone)]
pub struct ServingLayer {
    catalogue: Catalogue,
}

/// A service that refuses what no member serves.
#[derive(Debug, Clone)]
pub struct ServingService<S> {
    inner: S,
    catalogue: Catalogue,
}

pin_project! {
    /// The response of a [`ServingService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ServingFuture<F> {
        refused: Option<Error>,
        #[pin]
        inner: Option<F>,
    }
}

// ===== impl ServingLayer =====

impl ServingLayer {
    /// Refuses what the catalogue says that nobody serves.
    #[must_use]
    pub fn new(catalogue: &Catalogue) -> Self {
        Self {
            catalogue: catalogue.clone(),
        }
    }
}

impl<S> Layer<S> for ServingLayer {
    type Service = ServingService<S>;

    fn layer(&self, inner: S) -> ServingService<S> {
        ServingService {
            inner,
            catalogue: self.catalogue.clone(),
        }
    }
}

// ===== impl ServingService =====

impl<S> ServingService<S> {
    /// The service within.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, T> Service<Call<T>> for ServingService<S>
where
    S: Service<Call<T>, Error = Error>,
    T: Routed,
{
    type Response = S::Response;
    type Error = Error;
    type Future = ServingFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<T>) -> Self::Future {
        match self.catalogue.check(&call.message, Some(&call.context)) {
            Ok(()) => ServingFuture {
                refused: None,
                inner: Some(self.inner.call(call)),
            },
            Err(error) => ServingFuture {
                refused: Some(error),
                inner: None,
            },
        }
    }
}

// ===== impl ServingFuture =====

impl<F, Res> Future for ServingFuture<F>
where
    F: Future<Output = Result<Res, Error>>,
{
    type Output = Result<Res, Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(error) = this.refused.take() {
            return Poll::Ready(Err(error));
        }
        match this.inner.as_pin_mut() {
            Some(inner) => inner.poll(cx),
            None => unreachable!("polled after it was ready"),
        }
    }
}

impl<F> fmt::Debug for ServingFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServingFuture")
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}
