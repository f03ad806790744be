use std::fmt;

use tower_layer::Layer;

use super::{Hedge, HedgeConfig, HedgeHandle, OnFirstItem, OnHead, service::Shared};
use crate::{
    budget::Budget,
    config::Invalid,
    cost::Cost,
    protocol::{Costed, Enveloped, Streaming, Unary},
    replay::Cloned,
};

/// Hedges slow calls. See the [module](super).
#[derive(Clone)]
pub struct HedgeLayer<P = Unary, G = OnHead, R = Cloned> {
    source: Source,
    protocol: P,
    signal: G,
    replay: R,
}

/// What the services have learned and may do.
#[derive(Debug, Clone)]
enum Source {
    /// Each service for itself, but for the budget, if there is one to share.
    Config(HedgeConfig, Option<Budget>),
    /// All together.
    Shared(HedgeHandle),
}

// ===== impl HedgeLayer =====

impl HedgeLayer {
    /// Hedges calls as `config` says. The head of an answer decides.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: HedgeConfig) -> Result<Self, Invalid> {
        Ok(Self::checked(config.build()?))
    }

    /// All services that are made learn together, and share settings and budget.
    #[must_use]
    pub fn shared(handle: &HedgeHandle) -> Self {
        Self::from_source(Source::Shared(handle.clone()))
    }

    fn checked(config: HedgeConfig) -> Self {
        Self::from_source(Source::Config(config, None))
    }

    fn from_source(source: Source) -> Self {
        Self {
            source,
            protocol: Unary::default(),
            signal: OnHead,
            replay: Cloned,
        }
    }
}

impl Default for HedgeLayer {
    /// The default settings.
    fn default() -> Self {
        Self::checked(HedgeConfig::default())
    }
}

impl<P, G, R> HedgeLayer<P, G, R> {
    /// For HTTP: answers are judged by their status, context travels in the request's extensions, and the first data of
    /// the body decide. Requests must be clonable, with a body such as `Full`; see [`replay_bodies`](Self::replay_bodies)
    /// for others.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http(self) -> HedgeLayer<crate::protocol::Http, super::OnFirstFrame, R> {
        self.protocol(crate::protocol::Http::default())
            .signal(super::OnFirstFrame)
    }

    /// For answers that are streams of results, whose first item decides.
    #[must_use]
    pub fn streaming(self) -> HedgeLayer<Streaming, OnFirstItem, R> {
        self.protocol(Streaming::default()).signal(OnFirstItem)
    }

    /// For messages in the [`Call`](crate::Call) envelope.
    #[must_use]
    pub fn calls(self) -> HedgeLayer<Enveloped, G, R> {
        self.protocol(Enveloped::default())
    }

    /// Reads requests and judges answers by `protocol`.
    #[must_use]
    pub fn protocol<Q>(self, protocol: Q) -> HedgeLayer<Q, G, R> {
        HedgeLayer {
            source: self.source,
            protocol,
            signal: self.signal,
            replay: self.replay,
        }
    }

    /// Lets `signal` decide which answer is first: [`OnFirstItem`](super::OnFirstItem) for streams.
    #[must_use]
    pub fn signal<H>(self, signal: H) -> HedgeLayer<P, H, R> {
        HedgeLayer {
            source: self.source,
            protocol: self.protocol,
            signal,
            replay: self.replay,
        }
    }

    /// Keeps requests for a hedge by `replay`.
    #[must_use]
    pub fn replay<Q>(self, replay: Q) -> HedgeLayer<P, G, Q> {
        HedgeLayer {
            source: self.source,
            protocol: self.protocol,
            signal: self.signal,
            replay,
        }
    }

    /// Records the bodies of requests while they are sent, up to `cap` bytes, and sends the hedge from the record. A call
    /// whose body is larger, or has not been sent whole when its time has come, is not hedged. The inner service gets
    /// [`ReplayBody`](super::ReplayBody)s. Within a retry that records bodies too, what both keep shares its memory.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn replay_bodies(self, cap: usize) -> HedgeLayer<P, G, super::ReplayBodies> {
        self.replay(super::ReplayBodies::new(cap))
    }

    /// Estimates the cost of a request, where its context does not say it: for budgets in
    /// [tokens](super::Unit::Tokens).
    #[must_use]
    pub fn cost<Req, F>(self, cost: F) -> HedgeLayer<Costed<P, F>, G, R>
    where
        F: Fn(&Req) -> Cost,
    {
        HedgeLayer {
            source: self.source,
            protocol: Costed::new(self.protocol, cost),
            signal: self.signal,
            replay: self.replay,
        }
    }

    /// Draws on this budget, which others may share, instead of one of its own. Its deposit takes the place of
    /// [`share`](HedgeConfig::share). A layer made of a [handle](Self::shared) draws on the
    /// [handle's](HedgeHandle::with_budget).
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        if let Source::Config(_, own) = &mut self.source {
            *own = Some(budget);
        }
        self
    }
}

impl<S, P, G, R> Layer<S> for HedgeLayer<P, G, R>
where
    S: Clone + 'static,
    P: Clone,
    G: Clone,
    R: Clone + 'static,
{
    type Service = Hedge<S, P, G, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let handle = match &self.source {
            Source::Config(config, budget) => HedgeHandle::checked(config.clone(), budget.clone()),
            Source::Shared(handle) => handle.clone(),
        };
        let shared = Shared::new(
            handle,
            self.protocol.clone(),
            self.signal.clone(),
            self.replay.clone(),
            inner.clone(),
        );
        Hedge::new(inner, shared)
    }
}

impl<P, G, R> fmt::Debug for HedgeLayer<P, G, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HedgeLayer")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
