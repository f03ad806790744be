use std::{fmt, marker::PhantomData};

use tower_layer::Layer;
use tower_service::Service;

use super::{
    Answers, Apart, Batch, BatchConfig, BatchHandle, Boxed, By, Cloning, KeyOf, Made, NoSplit,
    Plain, Results, ShareError, Together,
    kind::{How, Over},
};
use crate::{
    budget::Budget,
    config::Invalid,
    cost::Cost,
    protocol::{Costed, Enveloped, Protocol, Unary},
    replay::{Cloned, Replay},
};

/// Lets compatible requests travel together. See the [module](super).
///
/// Each service that it makes has batches of its own, and bounds of its own unless it is made of a [`BatchHandle`].
pub struct BatchLayer<Req, P = Unary, K = Together, A = Results, E = Boxed, R = NoSplit> {
    source: Source,
    how: How<P, K, A, E, R>,
    request: PhantomData<fn(Req)>,
}

#[derive(Debug, Clone)]
enum Source {
    Fresh(BatchConfig),
    Shared(BatchHandle),
}

// ===== impl BatchLayer =====

impl<Req> BatchLayer<Req> {
    /// Batches as `config` says. All requests are compatible, unless a [key](Self::key) tells them apart.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: BatchConfig) -> Result<Self, Invalid> {
        Ok(Self::of(Source::Fresh(config.build()?)))
    }

    /// Batches within the bounds of the handle, together with every other service that is made of it.
    #[must_use]
    pub fn shared(handle: &BatchHandle) -> Self {
        Self::of(Source::Shared(handle.clone()))
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            how: How {
                protocol: Unary::default(),
                key: Together,
                answers: Results,
                errors: Boxed,
                replay: NoSplit,
                splits: false,
                budget: None,
            },
            request: PhantomData,
        }
    }
}

impl<Req> Default for BatchLayer<Req> {
    /// The default settings.
    fn default() -> Self {
        Self::of(Source::Fresh(BatchConfig::default()))
    }
}

impl<Req, P, K, A, E, R> BatchLayer<Req, P, K, A, E, R> {
    /// Reads requests, and judges the answers to whole batches, by `protocol`.
    #[must_use]
    pub fn protocol<Q>(self, protocol: Q) -> BatchLayer<Req, Q, K, A, E, R> {
        self.map(|how| How {
            protocol,
            key: how.key,
            answers: how.answers,
            errors: how.errors,
            replay: how.replay,
            splits: how.splits,
            budget: how.budget,
        })
    }

    /// For requests in the [`Call`](crate::Call) envelope, whose context may tell the deadline and the cost.
    #[must_use]
    pub fn calls(self) -> BatchLayer<Req, Enveloped, K, A, E, R> {
        self.protocol(Enveloped::default())
    }

    /// Only requests of equal keys travel together: the model, the parameters, a semantic group. A key is known only
    /// while a batch of it is open.
    #[must_use]
    pub fn key<Q, F>(self, key: F) -> BatchLayer<Req, P, By<F>, A, E, R>
    where
        F: Fn(&Req) -> Q,
    {
        self.key_of(By(key))
    }

    /// [`key`](Self::key), by a type of your own.
    #[must_use]
    pub fn key_of<Q>(self, key: Q) -> BatchLayer<Req, P, Q, A, E, R> {
        self.map(|how| How {
            protocol: how.protocol,
            key,
            answers: how.answers,
            errors: how.errors,
            replay: how.replay,
            splits: how.splits,
            budget: how.budget,
        })
    }

    /// Estimates the cost of a request, where its context does not say it: for
    /// [`max_cost`](BatchConfig::max_cost), which counts its tokens.
    #[must_use]
    pub fn cost<F>(self, cost: F) -> BatchLayer<Req, Costed<P, F>, K, A, E, R>
    where
        F: Fn(&Req) -> Cost,
    {
        self.map(|how| How {
            protocol: Costed::new(how.protocol, cost),
            key: how.key,
            answers: how.answers,
            errors: how.errors,
            replay: how.replay,
            splits: how.splits,
            budget: how.budget,
        })
    }

    /// For inner services that answer with a plain list, `Vec<Answer>`, whose items do not fail by themselves.
    #[must_use]
    pub fn plain(self) -> BatchLayer<Req, P, K, Plain, E, R> {
        self.answers_of(Plain)
    }

    /// Takes the answer to a batch apart by a function: into a `Result` for each request, in their order.
    #[must_use]
    pub fn answers<Res, I, F>(self, answers: F) -> BatchLayer<Req, P, K, Apart<F>, E, R>
    where
        F: Fn(Res) -> I,
        I: IntoIterator,
    {
        self.answers_of(Apart(answers))
    }

    /// [`answers`](Self::answers), by a type of your own.
    #[must_use]
    pub fn answers_of<B>(self, answers: B) -> BatchLayer<Req, P, K, B, E, R> {
        self.map(|how| How {
            protocol: how.protocol,
            key: how.key,
            answers,
            errors: how.errors,
            replay: how.replay,
            splits: how.splits,
            budget: how.budget,
        })
    }

    /// Gives each caller a clone of the error with which a whole call fails, where errors are `Clone`.
    #[must_use]
    pub fn cloned_errors(self) -> BatchLayer<Req, P, K, A, Cloning, R> {
        self.errors_of(Cloning)
    }

    /// Makes an error for each caller out of the one with which a whole call fails.
    #[must_use]
    pub fn share_errors<Err, F>(self, share: F) -> BatchLayer<Req, P, K, A, Made<F>, R>
    where
        F: Fn(&Err) -> Err,
    {
        self.errors_of(Made(share))
    }

    /// [`share_errors`](Self::share_errors), by a type of your own.
    #[must_use]
    pub fn errors_of<D>(self, errors: D) -> BatchLayer<Req, P, K, A, D, R> {
        self.map(|how| How {
            protocol: how.protocol,
            key: how.key,
            answers: how.answers,
            errors,
            replay: how.replay,
            splits: how.splits,
            budget: how.budget,
        })
    }

    /// Splits a batch that fails as a whole in halves, and these again, with at most so many
    /// [more calls](BatchConfig::extra_calls), so that one bad item fails alone. Keeps a clone of each request.
    #[must_use]
    pub fn split(self) -> BatchLayer<Req, P, K, A, E, Cloned> {
        self.split_by(Cloned)
    }

    /// [`split`](Self::split), where requests are kept by `replay`.
    #[must_use]
    pub fn split_by<Q>(self, replay: Q) -> BatchLayer<Req, P, K, A, E, Q> {
        self.map(|how| How {
            protocol: how.protocol,
            key: how.key,
            answers: how.answers,
            errors: how.errors,
            replay,
            splits: true,
            budget: how.budget,
        })
    }

    /// Takes the further calls of batches that are split from a budget, to which calls that succeed bring.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.how.budget = Some(budget);
        self
    }

    fn map<P2, K2, A2, E2, R2>(
        self,
        how: impl FnOnce(How<P, K, A, E, R>) -> How<P2, K2, A2, E2, R2>,
    ) -> BatchLayer<Req, P2, K2, A2, E2, R2> {
        BatchLayer {
            source: self.source,
            how: how(self.how),
            request: PhantomData,
        }
    }
}

impl<Req, S, P, K, A, E, R> Layer<S> for BatchLayer<Req, P, K, A, E, R>
where
    Req: Send + 'static,
    S: Service<Vec<Req>, Future: Send, Error: Send> + Clone + Send + 'static,
    P: Protocol<Req, S::Response, S::Error> + Clone + Send + Sync + 'static,
    K: KeyOf<Req> + Clone + Send + Sync + 'static,
    A: Answers<S::Response, S::Error, Answer: Send + 'static> + Clone + Send + Sync + 'static,
    E: ShareError<S::Error> + Clone + Send + Sync + 'static,
    R: Replay<Req, Request = Req, Kept: Send> + Clone + Send + Sync + 'static,
{
    type Service = Batch<Req, A::Answer, S::Error>;

    fn layer(&self, inner: S) -> Self::Service {
        let handle = match &self.source {
            Source::Fresh(config) => BatchHandle::checked(config.clone()),
            Source::Shared(handle) => handle.clone(),
        };
        Batch::new(Over::new(self.how.clone(), inner), handle.control)
    }
}

impl<Req, P: Clone, K: Clone, A: Clone, E: Clone, R: Clone> Clone
    for BatchLayer<Req, P, K, A, E, R>
{
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            how: self.how.clone(),
            request: PhantomData,
        }
    }
}

impl<Req, P, K, A, E, R> fmt::Debug for BatchLayer<Req, P, K, A, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchLayer")
            .field("source", &self.source)
            .field("splits", &self.how.splits)
            .field("budget", &self.how.budget)
            .finish_non_exhaustive()
    }
}
