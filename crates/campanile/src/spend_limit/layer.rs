use std::{fmt, hash::Hash, sync::Arc, time::SystemTime};

use tower_layer::Layer;

use super::{
    accounts::{Keyed, Single, Store},
    config::SpendLimitConfig,
    handle::SpendLimitHandle,
    service::SpendLimit,
    spending::Spending,
};
use crate::{
    config::Invalid,
    cost::Cost,
    key::{By, ByTenant, Together},
    protocol::{Costed, Enveloped, Unary},
};

/// Lets a service be called as long as its budgets last. See the [module](super).
///
/// Each service that it makes has budgets of its own, unless it is made of a [`SpendLimitHandle`].
pub struct SpendLimitLayer<P = Unary, B: Store = Single, F = Together> {
    source: Source<B>,
    protocol: P,
    key: F,
}

enum Source<B: Store> {
    Fresh(Arc<SpendLimitConfig>),
    Shared(Arc<Spending<B>>),
}

// ===== impl SpendLimitLayer =====

impl SpendLimitLayer {
    /// Budgets for all calls together, of their own for each service. Requests and answers are any: a call ends with its
    /// response, and costs what the settings assume unless [`cost`](Self::cost) says otherwise.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: SpendLimitConfig) -> Result<Self, Invalid> {
        Ok(Self::of(Source::Fresh(Arc::new(config.build()?))))
    }

    /// The budgets of the handle, for all services that the layer is applied to.
    #[must_use]
    pub fn shared(handle: &SpendLimitHandle) -> Self {
        Self::of(Source::Shared(handle.spending()))
    }

    const fn of(source: Source<Single>) -> Self {
        Self {
            source,
            protocol: Unary::new(crate::outcome::ClassifyResult),
            key: Together,
        }
    }
}

impl<P, B: Store, F> SpendLimitLayer<P, B, F> {
    /// Reads requests and follows answers by `protocol`.
    #[must_use]
    pub fn protocol<Q>(self, protocol: Q) -> SpendLimitLayer<Q, B, F> {
        SpendLimitLayer {
            source: self.source,
            protocol,
            key: self.key,
        }
    }

    /// Reads the [`Call`](crate::Call) envelope, whose context may tell the cost and the tenant.
    #[must_use]
    pub fn calls(self) -> SpendLimitLayer<Enveloped, B, F> {
        self.protocol(Enveloped::default())
    }

    /// For an HTTP service: context is read from the request's extensions, responses are judged by their status, and a call
    /// ends with its body.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http(self) -> SpendLimitLayer<crate::protocol::Http, B, F> {
        self.protocol(crate::protocol::Http::default())
    }

    /// Estimates the cost of a request, where its context does not say it.
    #[must_use]
    pub fn cost<Req, G>(self, cost: G) -> SpendLimitLayer<Costed<P, G>, B, F>
    where
        G: Fn(&Req) -> Cost,
    {
        SpendLimitLayer {
            source: self.source,
            protocol: Costed::new(self.protocol, cost),
            key: self.key,
        }
    }

    /// Pays from the budgets of `handle`, together with every other service that does.
    #[must_use]
    pub fn share(mut self, handle: &SpendLimitHandle<B>) -> Self {
        self.source = Source::Shared(handle.spending());
        self
    }
}

impl<P, F> SpendLimitLayer<P, Single, F> {
    /// Counts requests by a key, each with budgets of its own. Forgets a handle, which belongs to budgets for all.
    #[must_use]
    pub fn keyed<Req, K, G>(self, key: G) -> SpendLimitLayer<P, Keyed<K>, By<G>>
    where
        G: Fn(&Req) -> K,
        K: Hash + Eq + Clone + Send + Sync + 'static,
    {
        self.key_of(By(key))
    }

    /// Counts requests by the tenant of their context, each with budgets of its own; those without one together.
    #[must_use]
    pub fn by_tenant(self) -> SpendLimitLayer<P, Keyed<Option<Arc<str>>>, ByTenant> {
        self.key_of(ByTenant)
    }

    fn key_of<K, G>(self, key: G) -> SpendLimitLayer<P, Keyed<K>, G>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
    {
        let config = match self.source {
            Source::Fresh(config) => config,
            Source::Shared(spending) => Arc::new(spending.config.clone()),
        };
        SpendLimitLayer {
            source: Source::Fresh(config),
            protocol: self.protocol,
            key,
        }
    }
}

impl<S: 'static, P, B, F> Layer<S> for SpendLimitLayer<P, B, F>
where
    B: Store,
    P: Clone,
    F: Clone,
{
    type Service = SpendLimit<S, P, B, F>;

    fn layer(&self, inner: S) -> Self::Service {
        let spending = match &self.source {
            Source::Fresh(config) => Arc::new(Spending::new((**config).clone(), SystemTime::now())),
            Source::Shared(spending) => Arc::clone(spending),
        };
        SpendLimit::new(inner, spending, self.protocol.clone(), self.key.clone())
    }
}

impl<P: Clone, B: Store, F: Clone> Clone for SpendLimitLayer<P, B, F> {
    fn clone(&self) -> Self {
        Self {
            source: match &self.source {
                Source::Fresh(config) => Source::Fresh(Arc::clone(config)),
                Source::Shared(spending) => Source::Shared(Arc::clone(spending)),
            },
            protocol: self.protocol.clone(),
            key: self.key.clone(),
        }
    }
}

impl<P, B: Store, F> fmt::Debug for SpendLimitLayer<P, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = match &self.source {
            Source::Fresh(config) => config,
            Source::Shared(spending) => &spending.config,
        };
        f.debug_struct("SpendLimitLayer")
            .field("config", config)
            .finish_non_exhaustive()
    }
}
