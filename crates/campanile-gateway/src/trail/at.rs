use std::{
    sync::Arc,
    task::{Context, Poll},
};

use campanile::Call;
use tower_layer::Layer;
use tower_service::Service;

/// Notes in the trail of each call that explains where it is: in this stage, or in this pool.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub(crate) struct AtLayer {
    what: &'static str,
    name: Arc<str>,
}

/// A service of calls, which notes where they are.
#[derive(Debug, Clone)]
pub(crate) struct At<S> {
    inner: S,
    layer: AtLayer,
}

// ===== impl AtLayer =====

impl AtLayer {
    /// Around a stage of this name.
    pub(crate) fn stage(name: impl Into<Arc<str>>) -> Self {
        Self {
            what: "stage",
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
    S: Service<Call<T>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, call: Call<T>) -> S::Future {
        if let Some(trail) = &call.context.trail {
            trail.at(self.layer.what, &self.layer.name);
        }
        self.inner.call(call)
    }
}
