use std::fmt;

use tower_layer::Layer;

use super::{Measured, Recorder};
use crate::protocol::{Enveloped, Unary};

/// Records the calls of a stage or an endpoint. See the [module](super).
#[derive(Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub struct MetricsLayer<P = Unary> {
    recorder: Recorder,
    stamp: bool,
    protocol: P,
}

// ===== impl MetricsLayer =====

impl MetricsLayer {
    /// Records the calls of all services that the layer is applied to together. Requests and answers are any: a call ends
    /// with its response.
    pub fn new(recorder: &Recorder) -> Self {
        Self {
            recorder: recorder.clone(),
            stamp: false,
            protocol: Unary::default(),
        }
    }
}

impl<P> MetricsLayer<P> {
    /// Whether calls are told [since when](crate::Context::queued_since) they have been on their way, unless they know:
    /// for a stage, so that layers of this kind further in know how long they waited in between. A request that can carry a
    /// context gets one. Off unless set.
    pub fn stamp(mut self, stamp: bool) -> Self {
        self.stamp = stamp;
        self
    }

    /// Reads requests and follows answers by `protocol`.
    pub fn protocol<Q>(self, protocol: Q) -> MetricsLayer<Q> {
        MetricsLayer {
            recorder: self.recorder,
            stamp: self.stamp,
            protocol,
        }
    }

    /// For messages in the [`Call`](crate::Call) envelope.
    pub fn calls(self) -> MetricsLayer<Enveloped> {
        self.protocol(Enveloped::default())
    }

    /// For HTTP: responses are judged by their status, and a call ends with its body.
    #[cfg(feature = "http")]
    pub fn http(self) -> MetricsLayer<crate::protocol::Http> {
        self.protocol(crate::protocol::Http::default())
    }
}

impl<S: 'static, P: Clone> Layer<S> for MetricsLayer<P> {
    type Service = Measured<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Measured::new(
            inner,
            self.protocol.clone(),
            self.recorder.clone(),
            self.stamp,
        )
    }
}

impl<P> fmt::Debug for MetricsLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsLayer")
            .field("recorder", &self.recorder)
            .field("stamp", &self.stamp)
            .finish_non_exhaustive()
    }
}
