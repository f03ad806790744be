use std::{fmt, hash::Hash, sync::Arc};

use tower_layer::Layer;

use super::{
    By, ByTenant, Keyed, RateLimit, RateLimitConfig, RateLimitHandle, Silent, Single, Together,
    buckets::Store, limiter::Limiter,
};
use crate::{
    config::Invalid,
    cost::Cost,
    endpoint::Endpoint,
    protocol::{Costed, Enveloped, Unary},
};

/// Limits how much a service is asked for in a time. See the [module](super).
///
/// Each service that it makes has buckets of its own, unless it is made of a [`RateLimitHandle`].
pub struct RateLimitLayer<P = Unary, B: Store = Single, F = Together, A = Silent> {
    source: Source<B>,
    protocol: P,
    key: F,
    advise: A,
    gate: Option<Endpoint>,
}

enum Source<B> {
    Fresh(Arc<RateLimitConfig>),
    Shared(Arc<Limiter<B>>),
}

// ===== impl RateLimitLayer =====

impl RateLimitLayer {
    /// A limit for all calls together, of its own for each service. Requests and answers are any: a call ends with its
    /// response, and takes one request unless [`cost`](Self::cost) says otherwise.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: RateLimitConfig) -> Result<Self, Invalid> {
        Ok(Self::of(Source::Fresh(Arc::new(config.build()?))))
    }

    /// The limit of the handle, for all services that the layer is applied to.
    #[must_use]
    pub fn shared(handle: &RateLimitHandle) -> Self {
        Self::of(Source::Shared(handle.limiter()))
    }

    fn of(source: Source<Single>) -> Self {
        Self {
            source,
            protocol: Unary::default(),
            key: Together,
            advise: Silent,
            gate: None,
        }
    }
}

impl<P, B: Store, F, A> RateLimitLayer<P, B, F, A> {
    /// Reads requests and follows answers by `protocol`.
    #[must_use]
    pub fn protocol<Q>(self, protocol: Q) -> RateLimitLayer<Q, B, F, A> {
        RateLimitLayer {
            source: self.source,
            protocol,
            key: self.key,
            advise: self.advise,
            gate: self.gate,
        }
    }

    /// Reads the [`Call`](crate::Call) envelope, whose context may tell the cost and the tenant.
    #[must_use]
    pub fn calls(self) -> RateLimitLayer<Enveloped, B, F, A> {
        self.protocol(Enveloped::default())
    }

    /// Reads the upstream's limits off responses.
    #[must_use]
    pub fn advise<Q>(self, advise: Q) -> RateLimitLayer<P, B, F, Q> {
        RateLimitLayer {
            source: self.source,
            protocol: self.protocol,
            key: self.key,
            advise,
            gate: self.gate,
        }
    }

    /// Estimates the cost of a request, where its context does not say it.
    #[must_use]
    pub fn cost<Req, G>(self, cost: G) -> RateLimitLayer<Costed<P, G>, B, F, A>
    where
        G: Fn(&Req) -> Cost,
    {
        RateLimitLayer {
            source: self.source,
            protocol: Costed::new(self.protocol, cost),
            key: self.key,
            advise: self.advise,
            gate: self.gate,
        }
    }

    /// Counts in the buckets of `handle`, together with every other service that does.
    #[must_use]
    pub fn share(mut self, handle: &RateLimitHandle<B>) -> Self {
        self.source = Source::Shared(handle.limiter());
        self
    }
}

#[cfg(feature = "http")]
impl<P, B: Store, F, A> RateLimitLayer<P, B, F, A> {
    /// Limits an HTTP service: context is read from the request's extensions, responses are judged by their status, a
    /// call ends with its body, and the upstream's limits are read off its [headers](super::Headers).
    #[must_use]
    pub fn http(self) -> RateLimitLayer<crate::protocol::Http, B, F, super::Headers> {
        self.protocol(crate::protocol::Http::default())
            .advise(super::Headers)
    }
}

impl<P, F, A> RateLimitLayer<P, Single, F, A> {
    /// Counts requests by a key, each with buckets of its own. Forgets a handle and a gate, which belong to one bucket for
    /// all.
    #[must_use]
    pub fn keyed<Req, K, G>(self, key: G) -> RateLimitLayer<P, Keyed<K>, By<G>, A>
    where
        G: Fn(&Req) -> K,
        K: Hash + Eq + Clone + Send + Sync + 'static,
    {
        self.key_of(By(key))
    }

    /// Counts requests by the tenant of their context, each with buckets of its own; those without one together.
    #[must_use]
    pub fn by_tenant(self) -> RateLimitLayer<P, Keyed<Option<Arc<str>>>, ByTenant, A> {
        self.key_of(ByTenant)
    }

    fn key_of<K, G>(self, key: G) -> RateLimitLayer<P, Keyed<K>, G, A>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
    {
        let config = match self.source {
            Source::Fresh(config) => config,
            Source::Shared(limiter) => Arc::new(limiter.config.clone()),
        };
        RateLimitLayer {
            source: Source::Fresh(config),
            protocol: self.protocol,
            key,
            advise: self.advise,
            // Of one key's quota the endpoint's gate knows nothing.
            gate: None,
        }
    }

    /// Closes the gate of `endpoint` for [`Reason::Quota`](crate::endpoint::Reason::Quota) while not even the least call
    /// would be admitted, until it would; `poll_ready` is pending meanwhile. For the stack of a pool's member.
    #[must_use]
    pub fn gate(mut self, endpoint: &Endpoint) -> Self {
        self.gate = Some(endpoint.clone());
        self
    }
}

impl<S: 'static, P, B, F, A> Layer<S> for RateLimitLayer<P, B, F, A>
where
    B: Store,
    P: Clone,
    F: Clone,
    A: Clone,
{
    type Service = RateLimit<S, P, B, F, A>;

    fn layer(&self, inner: S) -> Self::Service {
        let limiter = match &self.source {
            Source::Fresh(config) => Arc::new(Limiter::new((**config).clone())),
            Source::Shared(limiter) => Arc::clone(limiter),
        };
        RateLimit::new(
            inner,
            limiter,
            self.protocol.clone(),
            self.key.clone(),
            self.advise.clone(),
            self.gate.clone(),
        )
    }
}

impl<P: Clone, B: Store, F: Clone, A: Clone> Clone for RateLimitLayer<P, B, F, A> {
    fn clone(&self) -> Self {
        Self {
            source: match &self.source {
                Source::Fresh(config) => Source::Fresh(Arc::clone(config)),
                Source::Shared(limiter) => Source::Shared(Arc::clone(limiter)),
            },
            protocol: self.protocol.clone(),
            key: self.key.clone(),
            advise: self.advise.clone(),
            gate: self.gate.clone(),
        }
    }
}

impl<P, B: Store, F, A> fmt::Debug for RateLimitLayer<P, B, F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = match &self.source {
            Source::Fresh(config) => config,
            Source::Shared(limiter) => &limiter.config,
        };
        f.debug_struct("RateLimitLayer")
            .field("config", config)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
