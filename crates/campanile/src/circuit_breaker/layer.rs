use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{CircuitBreaker, CircuitBreakerHandle, config::CircuitBreakerConfig, lane::Lanes};
use crate::{
    config::Invalid,
    endpoint::Endpoint,
    protocol::{Enveloped, Unary},
};

/// Stops calling a service that fails, until it is well again. See the [module](super).
#[derive(Clone)]
pub struct CircuitBreakerLayer<P = Unary> {
    source: Source,
    protocol: P,
    gate: Option<Endpoint>,
    name: Option<String>,
}

/// Whose state the services have.
#[derive(Debug, Clone)]
enum Source {
    /// Each service its own.
    Config(CircuitBreakerConfig),
    /// All the same.
    Shared(CircuitBreakerHandle),
}

// ===== impl CircuitBreakerLayer =====

impl CircuitBreakerLayer {
    /// Each service that is made gets a breaker of its own, shared by its clones. Any request; a call ends with its
    /// response.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: CircuitBreakerConfig) -> Result<Self, Invalid> {
        Ok(Self::from_source(Source::Config(config.build()?)))
    }

    /// All services that are made share this breaker.
    #[must_use]
    pub fn shared(handle: &CircuitBreakerHandle) -> Self {
        Self::from_source(Source::Shared(handle.clone()))
    }

    fn from_source(source: Source) -> Self {
        Self {
            source,
            protocol: Unary::default(),
            gate: None,
            name: None,
        }
    }
}

impl<P> CircuitBreakerLayer<P> {
    /// Judges and follows answers by `protocol`.
    #[must_use]
    pub fn protocol<Q>(self, protocol: Q) -> CircuitBreakerLayer<Q> {
        CircuitBreakerLayer {
            source: self.source,
            protocol,
            gate: self.gate,
            name: self.name,
        }
    }

    /// HTTP: responses are judged by their status, and a call ends with its body.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http(self) -> CircuitBreakerLayer<crate::protocol::Http> {
        self.protocol(crate::protocol::Http::default())
    }

    /// Messages in the [`Call`](crate::Call) envelope.
    #[must_use]
    pub fn calls(self) -> CircuitBreakerLayer<Enveloped> {
        self.protocol(Enveloped::default())
    }

    /// Judges answers by `classify`, and a call ends with its response.
    #[must_use]
    pub fn classify<C>(self, classify: C) -> CircuitBreakerLayer<Unary<C>> {
        self.protocol(Unary::new(classify))
    }

    /// Closes the endpoint's gate while calls would be refused, and has `poll_ready` wait meanwhile: a pool goes elsewhere.
    #[must_use]
    pub fn gate(mut self, endpoint: &Endpoint) -> Self {
        self.gate = Some(endpoint.clone());
        self
    }

    /// What it is called in events and snapshots; the key of its endpoint if it has one and no name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl<S: 'static, P: Clone> Layer<S> for CircuitBreakerLayer<P> {
    type Service = CircuitBreaker<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        let handle = match &self.source {
            Source::Config(config) => CircuitBreakerHandle::checked(*config),
            Source::Shared(handle) => handle.clone(),
        };
        if let Some(name) = &self.name {
            handle.breaker.set_name(name.clone());
        }
        let lanes = Lanes::new(handle.breaker, self.gate.clone());
        CircuitBreaker::assemble(inner, Arc::new(lanes), self.protocol.clone())
    }
}

impl<P> fmt::Debug for CircuitBreakerLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerLayer")
            .field("source", &self.source)
            .field("gate", &self.gate)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
