use std::fmt;

use tower_layer::Layer;

use super::{Everything, Timeout, TimeoutConfig};
use crate::{
    config::Invalid,
    protocol::{Enveloped, Streaming, Unary},
};

/// Keeps calls to the limits of a [`TimeoutConfig`]. See the [module](super).
#[derive(Clone)]
pub struct TimeoutLayer<P = Unary, N = Everything> {
    config: TimeoutConfig,
    protocol: P,
    counting: N,
}

// ===== impl TimeoutLayer =====

impl TimeoutLayer {
    /// Limits calls of any kind, which end with their response.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: TimeoutConfig) -> Result<Self, Invalid> {
        Ok(Self {
            config: config.build()?,
            protocol: Unary::default(),
            counting: Everything,
        })
    }
}

impl<P, N> TimeoutLayer<P, N> {
    /// Reads requests and follows answers by `protocol`.
    #[must_use]
    pub fn protocol<Q>(self, protocol: Q) -> TimeoutLayer<Q, N> {
        TimeoutLayer {
            config: self.config,
            protocol,
            counting: self.counting,
        }
    }

    /// HTTP: a call's deadline is read from the extensions of its request, and the clocks run to the end of the body of
    /// the response.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http(self) -> TimeoutLayer<crate::protocol::Http, N> {
        self.protocol(crate::protocol::Http::default())
    }

    /// Messages in the [`Call`](crate::Call) envelope, whose deadline is read.
    #[must_use]
    pub fn calls(self) -> TimeoutLayer<Enveloped, N> {
        self.protocol(Enveloped::default())
    }

    /// Answers that are streams of results: the clocks run to their end.
    #[must_use]
    pub fn streaming(self) -> TimeoutLayer<Streaming, N> {
        self.protocol(Streaming::default())
    }

    /// Tells what counts as data, instead of everything: a [`Counts`](super::Counts), such as
    /// [`SseData`](super::SseData).
    #[must_use]
    pub fn counting<M>(self, counting: M) -> TimeoutLayer<P, M> {
        TimeoutLayer {
            config: self.config,
            protocol: self.protocol,
            counting,
        }
    }
}

impl<S, P: Clone, N: Clone> Layer<S> for TimeoutLayer<P, N> {
    type Service = Timeout<S, P, N>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(
            inner,
            &self.config,
            self.protocol.clone(),
            self.counting.clone(),
        )
    }
}

impl<P, N> fmt::Debug for TimeoutLayer<P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutLayer")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
