use std::{fmt, sync::Arc};

use tower::discover::Discover;
use tower_layer::Layer;

use super::{Balance, BalanceConfig, FastFail, LoadReport, Strategy};
use crate::{
    BoxError,
    config::Invalid,
    cost::Cost,
    discover::Key,
    protocol::{Costed, Enveloped, Reported, Unary},
};

/// Turns a `Discover` of services into one service that fans out to them. See the [module](super).
#[derive(Clone)]
pub struct BalanceLayer<St, P = Unary> {
    strategy: Arc<St>,
    protocol: P,
    config: BalanceConfig,
}

// ===== impl BalanceLayer =====

impl<St> BalanceLayer<FastFail<St>> {
    /// A pool that picks by `strategy`, guarded against fast failure (see [`FastFail`]). Requests and answers are any:
    /// a call ends with its response.
    ///
    /// A layer is for one pool: pools made of one layer share what the strategy knows of the fleet.
    #[must_use]
    pub fn new(strategy: St) -> Self {
        Self::bare(FastFail::new(strategy))
    }
}

impl<St> BalanceLayer<St> {
    /// A pool that picks by `strategy` as it is, without the guard against fast failure.
    #[must_use]
    pub fn bare(strategy: St) -> Self {
        Self {
            strategy: Arc::new(strategy),
            protocol: Unary::default(),
            config: BalanceConfig::default(),
        }
    }
}

#[cfg(feature = "http")]
impl<St> BalanceLayer<FastFail<St>, crate::protocol::Http> {
    /// A pool of HTTP services: context is read from the request's extensions, responses are judged by their status,
    /// and a call ends with its body.
    #[must_use]
    pub fn http(strategy: St) -> Self {
        BalanceLayer::new(strategy).protocol(crate::protocol::Http::default())
    }
}

impl<St> BalanceLayer<FastFail<St>, Enveloped> {
    /// A pool for messages in the [`Call`](crate::Call) envelope, whose context is read.
    #[must_use]
    pub fn calls(strategy: St) -> Self {
        BalanceLayer::new(strategy).protocol(Enveloped::default())
    }
}

impl<St, P> BalanceLayer<St, P> {
    /// Reads requests and follows answers by `protocol`.
    #[must_use]
    pub fn protocol<Q>(self, protocol: Q) -> BalanceLayer<St, Q> {
        BalanceLayer {
            strategy: self.strategy,
            protocol,
            config: self.config,
        }
    }

    /// Estimates the cost of a request, where its context does not say it.
    #[must_use]
    pub fn cost<Req, F>(self, cost: F) -> BalanceLayer<St, Costed<P, F>>
    where
        F: Fn(&Req) -> Cost,
    {
        BalanceLayer {
            strategy: self.strategy,
            protocol: Costed::new(self.protocol, cost),
            config: self.config,
        }
    }

    /// Reads the load that endpoints report on their responses.
    #[must_use]
    pub fn reports<Res, F>(self, report: F) -> BalanceLayer<St, Reported<P, F>>
    where
        F: Fn(&Res) -> Option<LoadReport>,
    {
        BalanceLayer {
            strategy: self.strategy,
            protocol: Reported::new(self.protocol, report),
            config: self.config,
        }
    }

    /// Sets how the pool waits.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn config(mut self, config: BalanceConfig) -> Result<Self, Invalid> {
        self.config = config.build()?;
        Ok(self)
    }

    /// How long a call waits for a member to become ready; 1 s by default.
    #[must_use]
    pub const fn patience(mut self, patience: std::time::Duration) -> Self {
        self.config.patience = patience;
        self
    }

    /// Where the random numbers of picks start, for runs that can be repeated.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.config.seed = Some(seed);
        self
    }
}

impl<D, St, P> Layer<D> for BalanceLayer<St, P>
where
    D: Discover + Send + 'static,
    D::Key: Key,
    D::Service: Clone + Send + 'static,
    D::Error: Into<BoxError>,
    St: Strategy,
    P: Clone,
{
    type Service = Balance<D::Service, St, P>;

    /// Makes the pool and spawns its [`Driver`](super::Driver).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    fn layer(&self, discover: D) -> Self::Service {
        let (balance, driver) = Balance::pair(
            discover,
            Arc::clone(&self.strategy),
            self.protocol.clone(),
            self.config.clone(),
        );
        tokio::spawn(tokio::task::coop::unconstrained(driver));
        balance
    }
}

impl<St: fmt::Debug, P> fmt::Debug for BalanceLayer<St, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalanceLayer")
            .field("strategy", &self.strategy)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
