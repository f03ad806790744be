use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{
    ConcurrencyLimit, ConcurrencyLimitConfig, ConcurrencyLimitHandle, algorithm::Algorithm,
    service::Hold, shared::Shared,
};
use crate::{
    config::Invalid,
    endpoint::Endpoint,
    protocol::{Enveloped, Unary},
};

/// Keeps the calls in flight of a service to a limit. See the [module](super).
///
/// Each service that it makes has a limit of its own, unless the layer was made [of a limit](Self::shared).
#[derive(Clone)]
pub struct ConcurrencyLimitLayer<P = Unary> {
    source: Source,
    protocol: P,
    gate: Option<Endpoint>,
}

/// Where the limit of a service comes from.
#[derive(Clone)]
enum Source {
    Config(ConcurrencyLimitConfig),
    Custom(ConcurrencyLimitConfig, Make),
    Shared(ConcurrencyLimitHandle),
}

/// Makes an algorithm, one for each service.
type Make = Arc<dyn Fn() -> Box<dyn Algorithm> + Send + Sync>;

// ===== impl ConcurrencyLimitLayer =====

impl ConcurrencyLimitLayer {
    /// A limit as `config` says. Requests and answers are any: a call ends with its response.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: ConcurrencyLimitConfig) -> Result<Self, Invalid> {
        Ok(Self::from(Source::Config(config.build()?)))
    }

    /// A limit that adapts by an algorithm of one's own, made anew for each service; whichever algorithm the configuration
    /// names.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn adaptive<A: Algorithm>(
        config: ConcurrencyLimitConfig,
        algorithm: impl Fn() -> A + Send + Sync + 'static,
    ) -> Result<Self, Invalid> {
        let make: Make = Arc::new(move || Box::new(algorithm()));
        Ok(Self::from(Source::Custom(config.build()?, make)))
    }

    /// A limit that there is already: every service that this layer makes shares it.
    #[must_use]
    pub fn shared(handle: &ConcurrencyLimitHandle) -> Self {
        Self::from(Source::Shared(handle.clone()))
    }

    fn from(source: Source) -> Self {
        Self {
            source,
            protocol: Unary::default(),
            gate: None,
        }
    }
}

impl<P> ConcurrencyLimitLayer<P> {
    /// Reads requests and follows answers by `protocol`.
    #[must_use]
    pub fn protocol<Q>(self, protocol: Q) -> ConcurrencyLimitLayer<Q> {
        ConcurrencyLimitLayer {
            source: self.source,
            protocol,
            gate: self.gate,
        }
    }

    /// For HTTP services: context is read from the request's extensions, responses are judged by their status, and a call
    /// ends with its body.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http(self) -> ConcurrencyLimitLayer<crate::protocol::Http> {
        self.protocol(crate::protocol::Http::default())
    }

    /// For messages in the [`Call`](crate::Call) envelope, whose context is read.
    #[must_use]
    pub fn calls(self) -> ConcurrencyLimitLayer<Enveloped> {
        self.protocol(Enveloped::default())
    }

    /// For a member of a pool: while the limit is reached, the endpoint's gate is closed for
    /// [`Reason::Concurrency`](crate::endpoint::Reason::Concurrency) and the service is not ready, so that the pool goes
    /// elsewhere. One limit may close several gates; a gate has one limit, as long as the service or a clone of it lives.
    #[must_use]
    pub fn gate(mut self, endpoint: &Endpoint) -> Self {
        self.gate = Some(endpoint.clone());
        self
    }
}

impl<S: 'static, P: Clone> Layer<S> for ConcurrencyLimitLayer<P> {
    type Service = ConcurrencyLimit<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        let shared = match &self.source {
            Source::Config(config) => Arc::new(Shared::new(*config, None)),
            Source::Custom(config, make) => Arc::new(Shared::new(*config, Some(make()))),
            Source::Shared(handle) => Arc::clone(handle.shared()),
        };
        let hold = self.gate.as_ref().map(|gate| Hold::new(&shared, gate));
        let hold = hold.map(Arc::new);
        ConcurrencyLimit::new(inner, shared, hold, self.protocol.clone())
    }
}

impl<P> fmt::Debug for ConcurrencyLimitLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ConcurrencyLimitLayer");
        match &self.source {
            Source::Config(config) | Source::Custom(config, _) => debug.field("config", config),
            Source::Shared(handle) => debug.field("limit", handle),
        };
        debug.field("gate", &self.gate).finish_non_exhaustive()
    }
}
