use std::fmt;

use tower_layer::Layer;

use super::{Cloned, NoAdvice, Retry, RetryConfig, service::Shared};
use crate::{
    budget::Budget,
    config::Invalid,
    protocol::{Enveloped, Unary},
};

/// Tries failed calls again. See the [module](super).
#[derive(Clone)]
pub struct RetryLayer<P = Unary, A = NoAdvice, R = Cloned> {
    config: RetryConfig,
    budget: Option<Budget>,
    protocol: P,
    advice: A,
    replay: R,
}

// ===== impl RetryLayer =====

impl RetryLayer {
    /// Tries calls again as `config` says. Requests that can be cloned, any answers.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: RetryConfig) -> Result<Self, Invalid> {
        Ok(Self::checked(config.build()?))
    }

    fn checked(config: RetryConfig) -> Self {
        Self {
            config,
            budget: None,
            protocol: Unary::default(),
            advice: NoAdvice,
            replay: Cloned,
        }
    }
}

impl Default for RetryLayer {
    /// The default settings.
    fn default() -> Self {
        Self::checked(RetryConfig::default())
    }
}

#[cfg(feature = "http")]
impl<P, A, R> RetryLayer<P, A, R> {
    /// For HTTP: answers are judged by their status and their `x-should-retry` header, context travels in the request's
    /// extensions. Requests must be clonable, with a body such as `Full`; see
    /// [`replay_bodies`](Self::replay_bodies) for others.
    #[must_use]
    pub fn http(self) -> RetryLayer<crate::protocol::Http, super::XShouldRetry, R> {
        self.protocol(crate::protocol::Http::default())
            .advice(super::XShouldRetry)
    }

    /// Records the bodies of requests while they are sent, up to `cap` bytes, and sends them again from the record. A
    /// call whose body is larger is not tried again. The inner service gets [`ReplayBody`](super::ReplayBody)s.
    #[must_use]
    pub fn replay_bodies(self, cap: usize) -> RetryLayer<P, A, super::ReplayBodies> {
        self.replay(super::ReplayBodies::new(cap))
    }
}

impl<P, A, R> RetryLayer<P, A, R> {
    /// For messages in the [`Call`](crate::Call) envelope.
    #[must_use]
    pub fn calls(self) -> RetryLayer<Enveloped, A, R> {
        self.protocol(Enveloped::default())
    }

    /// Reads requests and judges answers by `protocol`.
    #[must_use]
    pub fn protocol<Q>(self, protocol: Q) -> RetryLayer<Q, A, R> {
        RetryLayer {
            config: self.config,
            budget: self.budget,
            protocol,
            advice: self.advice,
            replay: self.replay,
        }
    }

    /// Asks `advice` whether a call should be tried again.
    #[must_use]
    pub fn advice<B>(self, advice: B) -> RetryLayer<P, B, R> {
        RetryLayer {
            config: self.config,
            budget: self.budget,
            protocol: self.protocol,
            advice,
            replay: self.replay,
        }
    }

    /// Keeps requests for another attempt by `replay`.
    #[must_use]
    pub fn replay<Q>(self, replay: Q) -> RetryLayer<P, A, Q> {
        RetryLayer {
            config: self.config,
            budget: self.budget,
            protocol: self.protocol,
            advice: self.advice,
            replay,
        }
    }

    /// Draws on this budget, which others may share, instead of one of its own.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }
}

impl<S, P, A, R> Layer<S> for RetryLayer<P, A, R>
where
    S: Clone + 'static,
    P: Clone,
    A: Clone,
    R: Clone + 'static,
{
    type Service = Retry<S, P, A, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let budget = self.budget.clone();
        Retry::new(inner, |master| {
            Shared::new(
                self.config.clone(),
                budget,
                self.protocol.clone(),
                self.advice.clone(),
                self.replay.clone(),
                master,
            )
        })
    }
}

impl<P, A, R> fmt::Debug for RetryLayer<P, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer")
            .field("config", &self.config)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
