use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use arc_swap::ArcSwap;
use campanile::{Call, config::Invalid};
use tower_service::Service;

use super::{ResponseFuture, Routed, RouterConfig, RouterSnapshot, Routes, routed::exceeds};
use crate::error::{Class, Error};

/// Sends each call to the group of providers that has its model. See the [module](super).
pub struct Router<S> {
    routes: Arc<ArcSwap<Routes<S>>>,
}

/// Changes a [`Router`] while it runs, and tells of it. Clones are of the same router.
pub struct RouterHandle<S> {
    routes: Arc<ArcSwap<Routes<S>>>,
}

// ===== impl Router =====

impl<S> Router<S> {
    /// A router of these groups, each with its service.
    ///
    /// # Errors
    ///
    /// As [`Routes::new`].
    pub fn new<N: Into<String>>(
        config: RouterConfig,
        services: impl IntoIterator<Item = (N, S)>,
    ) -> Result<Self, Invalid> {
        Ok(Self::from(Routes::new(config, services)?))
    }

    /// A handle to change it.
    #[must_use]
    pub fn handle(&self) -> RouterHandle<S> {
        RouterHandle {
            routes: Arc::clone(&self.routes),
        }
    }

    /// Every model that can be asked for by name, aliases included, in their order: what a list of models tells. Patterns are
    /// not among them.
    #[must_use]
    pub fn models(&self) -> Vec<String> {
        self.handle().models()
    }

    /// What is known, and what has happened since the routes were set.
    #[must_use]
    pub fn snapshot(&self) -> RouterSnapshot {
        self.routes.load().snapshot()
    }
}

impl<S> From<Routes<S>> for Router<S> {
    fn from(routes: Routes<S>) -> Self {
        Self {
            routes: Arc::new(ArcSwap::from_pointee(routes)),
        }
    }
}

impl<S, T> Service<Call<T>> for Router<S>
where
    S: Service<Call<T>, Error = Error> + Clone + 'static,
    T: Routed + 'static,
{
    type Response = S::Response;
    type Error = Error;
    type Future = ResponseFuture<S, T>;

    /// Always ready: who is to be ready is known with the call.
    #[inline]
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut call: Call<T>) -> Self::Future {
        let routes = self.routes.load_full();
        let asked = routes.canonical(call.message.model());
        let Some(mut group) = routes.find(asked) else {
            let error = routes.refuse(call.message.model());
            return ResponseFuture::failed(routes, error);
        };
        if asked != call.message.model() {
            let asked = asked.to_owned();
            call.message = call.message.with_model(&asked);
        }
        // Circles of such fallbacks are refused when the routes are made.
        while let Some(window) = routes.groups[group].context_window
            && let Some(larger) = routes.fallback(group, Class::ContextWindow)
            && exceeds(&call.message, Some(&call.context), window)
        {
            routes.count_fallback(group);
            group = larger;
        }
        ResponseFuture::calling(routes, group, call)
    }
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self {
            routes: Arc::clone(&self.routes),
        }
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Router")
            .field(&**self.routes.load())
            .finish()
    }
}

// ===== impl RouterHandle =====

impl<S> RouterHandle<S> {
    /// Sets other routes. Calls under way end where they are, and fall back as the old ones said; those that come from now on
    /// go by the new ones. An old service is dropped with the last call that it has.
    pub fn replace(&self, routes: Routes<S>) {
        self.routes.store(Arc::new(routes));
    }

    /// The present routes.
    #[must_use]
    pub fn routes(&self) -> Arc<Routes<S>> {
        self.routes.load_full()
    }

    /// As [`Router::models`].
    #[must_use]
    pub fn models(&self) -> Vec<String> {
        let routes = self.routes.load();
        routes.models().into_iter().map(str::to_owned).collect()
    }

    /// As [`Router::snapshot`].
    #[must_use]
    pub fn snapshot(&self) -> RouterSnapshot {
        self.routes.load().snapshot()
    }
}

impl<S> Clone for RouterHandle<S> {
    fn clone(&self) -> Self {
        Self {
            routes: Arc::clone(&self.routes),
        }
    }
}

impl<S> fmt::Debug for RouterHandle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RouterHandle")
            .field(&**self.routes.load())
            .finish()
    }
}
