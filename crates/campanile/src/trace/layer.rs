use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{ContextIds, Trace, TraceConfig, place::Place};
use crate::{
    config::Invalid,
    endpoint::Endpoint,
    protocol::{Enveloped, Unary},
};

/// Makes a span of each call, at one place of a stack. See the [module](super).
#[derive(Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub struct TraceLayer<P = Unary, I = ContextIds> {
    place: Place,
    config: TraceConfig,
    protocol: P,
    ids: I,
}

// ===== impl TraceLayer =====

impl TraceLayer {
    /// Outermost: the span `call`, and the line of each call that failed. The name tells stages of a program from each
    /// other.
    pub fn stage(name: impl Into<Arc<str>>) -> Self {
        Self::at(Place::Stage(name.into()))
    }

    /// Between the layers that send a call more than once and the pool: the span `attempt`.
    pub fn attempt() -> Self {
        Self::at(Place::Attempt)
    }

    /// Within the endpoint's own stack: the span `endpoint`.
    pub fn endpoint(endpoint: &Endpoint) -> Self {
        Self::at(Place::Endpoint(endpoint.clone()))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            config: TraceConfig::DEFAULT,
            protocol: Unary::default(),
            ids: ContextIds,
        }
    }
}

impl<P, I> TraceLayer<P, I> {
    /// Sets how lines are written.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn config(mut self, config: TraceConfig) -> Result<Self, Invalid> {
        self.config = config.build()?;
        Ok(self)
    }

    /// Reads requests and follows answers by `protocol`.
    pub fn protocol<Q>(self, protocol: Q) -> TraceLayer<Q, I> {
        TraceLayer {
            place: self.place,
            config: self.config,
            protocol,
            ids: self.ids,
        }
    }

    /// Finds ids by `ids`, where a context has none.
    pub fn ids<J>(self, ids: J) -> TraceLayer<P, J> {
        TraceLayer {
            place: self.place,
            config: self.config,
            protocol: self.protocol,
            ids,
        }
    }

    /// For messages in the [`Call`](crate::Call) envelope.
    pub fn calls(self) -> TraceLayer<Enveloped, I> {
        self.protocol(Enveloped::default())
    }

    /// For HTTP: a call ends with the body of its response, and [ids](super::HttpIds) are read from headers.
    #[cfg(feature = "http")]
    pub fn http(self) -> TraceLayer<crate::protocol::Http, super::HttpIds> {
        self.protocol(crate::protocol::Http::default())
            .ids(super::HttpIds::default())
    }
}

impl<S: 'static, P: Clone, I: Clone> Layer<S> for TraceLayer<P, I> {
    type Service = Trace<S, P, I>;

    fn layer(&self, inner: S) -> Self::Service {
        Trace::new(
            inner,
            self.protocol.clone(),
            self.ids.clone(),
            self.place.clone(),
            self.config,
        )
    }
}

impl<P, I> fmt::Debug for TraceLayer<P, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceLayer")
            .field("place", &self.place)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
