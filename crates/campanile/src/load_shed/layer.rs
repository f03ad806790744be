use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{
    LoadShed, LoadShedConfig,
    service::{Hint, Signal},
};
use crate::{
    config::Invalid,
    protocol::{Enveloped, Unary},
};

/// Refuses at once what cannot be served now. See the [module](super).
#[derive(Clone)]
pub struct LoadShedLayer<P = Unary> {
    config: LoadShedConfig,
    protocol: P,
    signal: Option<Signal>,
    hint: Option<Hint>,
}

// ===== impl LoadShedLayer =====

impl LoadShedLayer {
    /// Sheds calls of any kind.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: LoadShedConfig) -> Result<Self, Invalid> {
        Ok(Self::checked(config.build()?))
    }

    fn checked(config: LoadShedConfig) -> Self {
        Self {
            config,
            protocol: Unary::default(),
            signal: None,
            hint: None,
        }
    }
}

impl<P> LoadShedLayer<P> {
    /// Reads the priority of requests by `protocol`.
    #[must_use]
    pub fn protocol<Q>(self, protocol: Q) -> LoadShedLayer<Q> {
        LoadShedLayer {
            config: self.config,
            protocol,
            signal: self.signal,
            hint: self.hint,
        }
    }

    /// HTTP: the priority is read from the extensions of a request.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http(self) -> LoadShedLayer<crate::protocol::Http> {
        self.protocol(crate::protocol::Http::default())
    }

    /// Messages in the [`Call`](crate::Call) envelope, whose priority is read.
    #[must_use]
    pub fn calls(self) -> LoadShedLayer<Enveloped> {
        self.protocol(Enveloped::default())
    }

    /// Tells the utilisation, 1 being full, by which calls that matter less are shed early: calls in flight over their
    /// limit, say. Asked once for each call whose priority has a [threshold](super::Thresholds), so it is to be cheap.
    ///
    /// ```
    /// use campanile::{Context, Endpoint, load_shed::{LoadShedConfig, LoadShedLayer}};
    ///
    /// let endpoint = Endpoint::new("gpu-1");
    /// let layer = LoadShedLayer::new(LoadShedConfig::default()).unwrap()
    ///     .calls()
    ///     .signal(move || f64::from(endpoint.in_flight()) / 32.0);
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn signal(mut self, utilisation: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        self.signal = Some(Arc::new(utilisation));
        self
    }

    /// Tells when a call that is refused now may come back, where that is known; otherwise it is told
    /// [`retry_after`](LoadShedConfig::retry_after).
    #[must_use]
    pub fn hint(mut self, hint: impl Fn() -> Option<Duration> + Send + Sync + 'static) -> Self {
        self.hint = Some(Arc::new(hint));
        self
    }
}

impl Default for LoadShedLayer {
    /// A layer of the default settings.
    fn default() -> Self {
        Self::checked(LoadShedConfig::default())
    }
}

impl<S, P: Clone> Layer<S> for LoadShedLayer<P> {
    type Service = LoadShed<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        LoadShed::new(
            inner,
            self.protocol.clone(),
            self.config.clone(),
            self.signal.clone(),
            self.hint.clone(),
        )
    }
}

impl<P> fmt::Debug for LoadShedLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadShedLayer")
            .field("config", &self.config)
            .field("signal", &self.signal.is_some())
            .finish_non_exhaustive()
    }
}
