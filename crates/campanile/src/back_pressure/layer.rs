use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{BackPressure, BackPressureConfig, BackPressureHandle};
use crate::{
    config::Invalid,
    control::Dial,
    protocol::{Enveloped, Unary},
};

/// Watches how calls of a service go, and moves capacities and rates by it. See the [module](super).
#[derive(Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub struct BackPressureLayer<P = Unary> {
    config: BackPressureConfig,
    handle: Option<BackPressureHandle>,
    capacities: Vec<Arc<dyn Dial>>,
    rates: Vec<Arc<dyn Dial>>,
    protocol: P,
}

// ===== impl BackPressureLayer =====

impl BackPressureLayer {
    /// A rule of its own for each service that the layer is applied to. Requests and answers are any: a call ends with
    /// its response.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: BackPressureConfig) -> Result<Self, Invalid> {
        Ok(Self::checked(config.build()?))
    }

    const fn checked(config: BackPressureConfig) -> Self {
        Self {
            config,
            handle: None,
            capacities: Vec::new(),
            rates: Vec::new(),
            protocol: Unary::new(crate::outcome::ClassifyResult),
        }
    }

    /// One rule, that of the handle, for all services that the layer is applied to: what happens at each of them counts
    /// together.
    pub fn shared(handle: &BackPressureHandle) -> Self {
        Self {
            handle: Some(handle.clone()),
            ..Self::checked(BackPressureConfig::default())
        }
    }
}

impl<P> BackPressureLayer<P> {
    /// Moves a capacity: the limit of a fixed concurrency limit, the ceiling of an adaptive one.
    pub fn capacity(mut self, dial: impl Dial + 'static) -> Self {
        match &self.handle {
            Some(handle) => handle.add_capacity(dial),
            None => self.capacities.push(Arc::new(dial)),
        }
        self
    }

    /// Moves a rate, in whatever unit.
    pub fn rate(mut self, dial: impl Dial + 'static) -> Self {
        match &self.handle {
            Some(handle) => handle.add_rate(dial),
            None => self.rates.push(Arc::new(dial)),
        }
        self
    }

    /// Reads requests and follows answers by `protocol`.
    pub fn protocol<Q>(self, protocol: Q) -> BackPressureLayer<Q> {
        BackPressureLayer {
            config: self.config,
            handle: self.handle,
            capacities: self.capacities,
            rates: self.rates,
            protocol,
        }
    }

    /// For messages in the [`Call`](crate::Call) envelope.
    pub fn calls(self) -> BackPressureLayer<Enveloped> {
        self.protocol(Enveloped::default())
    }

    /// For HTTP: responses are judged by their status, and a call ends with its body.
    #[cfg(feature = "http")]
    pub fn http(self) -> BackPressureLayer<crate::protocol::Http> {
        self.protocol(crate::protocol::Http::default())
    }
}

impl<S: 'static, P: Clone> Layer<S> for BackPressureLayer<P> {
    type Service = BackPressure<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        let handle = self.handle.clone().unwrap_or_else(|| {
            let handle = BackPressureHandle::checked(self.config.clone());
            for dial in &self.capacities {
                handle.add_capacity(Arc::clone(dial));
            }
            for dial in &self.rates {
                handle.add_rate(Arc::clone(dial));
            }
            handle
        });
        BackPressure::new(inner, self.protocol.clone(), handle)
    }
}

impl<P> fmt::Debug for BackPressureLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackPressureLayer")
            .field("config", &self.config)
            .field("handle", &self.handle)
            .field("capacities", &self.capacities.len())
            .field("rates", &self.rates.len())
            .finish_non_exhaustive()
    }
}
