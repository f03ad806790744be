use std::fmt;

use tower_layer::Layer;

use super::{Hedge, HedgeConfig, OnFirstItem, OnHead, service::Shared};
use crate::{
    budget::Budget,
    config::Invalid,
    cost::Cost,
    protocol::{Costed, Enveloped, Streaming, Unary},
};

/// Hedges slow calls. See the [module](super).
#[derive(Clone)]
pub struct HedgeLayer<P = Unary, G = OnHead> {
    config: HedgeConfig,
    budget: Option<Budget>,
    protocol: P,
    signal: G,
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

    fn checked(config: HedgeConfig) -> Self {
        Self {
            config,
            budget: None,
            protocol: Unary::default(),
            signal: OnHead,
        }
    }
}

impl Default for HedgeLayer {
    /// The default settings.
    fn default() -> Self {
        Self::checked(HedgeConfig::default())
    }
}

impl<P, G> HedgeLayer<P, G> {
    /// For HTTP: answers are judged by their status, context travels in the request's extensions, and the first data of
    /// the body decide.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http(self) -> HedgeLayer<crate::protocol::Http, super::OnFirstFrame> {
        self.protocol(crate::protocol::Http::default())
            .signal(super::OnFirstFrame)
    }

    /// For answers that are streams of results, whose first item decides.
    #[must_use]
    pub fn streaming(self) -> HedgeLayer<Streaming, OnFirstItem> {
        self.protocol(Streaming::default()).signal(OnFirstItem)
    }

    /// For messages in the [`Call`](crate::Call) envelope.
    #[must_use]
    pub fn calls(self) -> HedgeLayer<Enveloped, G> {
        self.protocol(Enveloped::default())
    }

    /// Reads requests and judges answers by `protocol`.
    #[must_use]
    pub fn protocol<Q>(self, protocol: Q) -> HedgeLayer<Q, G> {
        HedgeLayer {
            config: self.config,
            budget: self.budget,
            protocol,
            signal: self.signal,
        }
    }

    /// Lets `signal` decide which answer is first: [`OnFirstItem`](super::OnFirstItem) for streams.
    #[must_use]
    pub fn signal<H>(self, signal: H) -> HedgeLayer<P, H> {
        HedgeLayer {
            config: self.config,
            budget: self.budget,
            protocol: self.protocol,
            signal,
        }
    }

    /// Estimates the cost of a request, where its context does not say it: for budgets in
    /// [tokens](super::Unit::Tokens).
    #[must_use]
    pub fn cost<Req, F>(self, cost: F) -> HedgeLayer<Costed<P, F>, G>
    where
        F: Fn(&Req) -> Cost,
    {
        HedgeLayer {
            config: self.config,
            budget: self.budget,
            protocol: Costed::new(self.protocol, cost),
            signal: self.signal,
        }
    }

    /// Draws on this budget, which others may share, instead of one of its own. Its deposit takes the place of
    /// [`share`](HedgeConfig::share).
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }
}

impl<S, P, G> Layer<S> for HedgeLayer<P, G>
where
    S: Clone + 'static,
    P: Clone,
    G: Clone,
{
    type Service = Hedge<S, P, G>;

    fn layer(&self, inner: S) -> Self::Service {
        let shared = Shared::new(
            self.config.clone(),
            self.budget.clone(),
            self.protocol.clone(),
            self.signal.clone(),
            inner.clone(),
        );
        Hedge::new(inner, shared)
    }
}

impl<P, G> fmt::Debug for HedgeLayer<P, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HedgeLayer")
            .field("config", &self.config)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
