use std::{fmt, hash::Hash, marker::PhantomData};

use tower_service::Service;

use super::{Answers, KeyOf, ShareError};
use crate::{
    budget::Budget,
    context::Context,
    outcome::Outcome,
    protocol::Protocol,
    replay::Replay,
    sync::{Mutex, lock},
};

/// Everything that differs from one batch layer to another, in one place, so that the rest need not repeat it.
pub(super) trait Kind: Send + Sync + 'static {
    type Request: Send + 'static;
    type Key: Hash + Eq + Clone + Send + 'static;
    type Answer: Send + 'static;
    type Response;
    type Error: Send + 'static;
    type Kept: Send;
    type Service: Service<Vec<Self::Request>, Response = Self::Response, Error = Self::Error, Future: Send>
        + Send
        + 'static;

    /// A service for one call, yet to be readied.
    fn instance(&self) -> Self::Service;
    fn context<'a>(&self, request: &'a Self::Request) -> Option<&'a Context>;
    fn key(&self, request: &Self::Request) -> Self::Key;
    /// In tokens.
    fn cost(&self, request: &Self::Request) -> u64;
    fn classify(&self, result: Result<&Self::Response, &Self::Error>) -> Outcome;
    /// At most one more than `items`.
    fn answers(
        &self,
        response: Self::Response,
        items: usize,
    ) -> Vec<Result<Self::Answer, Self::Error>>;
    fn share(&self, error: Self::Error, callers: usize) -> Vec<Self::Error>;
    /// Whether batches that failed are split.
    fn splits(&self) -> bool;
    fn budget(&self) -> Option<&Budget>;
    fn keep(&self, request: Self::Request) -> (Self::Request, Self::Kept);
    fn is_whole(&self, kept: &Self::Kept) -> bool;
    fn again(&self, kept: &mut Self::Kept) -> Option<Self::Request>;
}

/// What a layer was told.
#[derive(Clone)]
pub(super) struct How<P, K, A, E, R> {
    pub(super) protocol: P,
    pub(super) key: K,
    pub(super) answers: A,
    pub(super) errors: E,
    pub(super) replay: R,
    pub(super) splits: bool,
    pub(super) budget: Option<Budget>,
}

/// A layer over a service.
pub(super) struct Over<Req, S, P, K, A, E, R> {
    how: How<P, K, A, E, R>,
    /// What the services of batches are cloned from. Never readied.
    master: Mutex<S>,
    request: PhantomData<fn(Req)>,
}

// ===== impl Over =====

impl<Req, S, P, K, A, E, R> Over<Req, S, P, K, A, E, R> {
    pub(super) fn new(how: How<P, K, A, E, R>, master: S) -> Self {
        Self {
            how,
            master: Mutex::new(master),
            request: PhantomData,
        }
    }
}

impl<Req, S, P, K, A, E, R> Kind for Over<Req, S, P, K, A, E, R>
where
    Req: Send + 'static,
    S: Service<Vec<Req>, Future: Send, Error: Send> + Clone + Send + 'static,
    P: Protocol<Req, S::Response, S::Error> + Send + Sync + 'static,
    K: KeyOf<Req> + Send + Sync + 'static,
    A: Answers<S::Response, S::Error, Answer: Send + 'static> + Send + Sync + 'static,
    E: ShareError<S::Error> + Send + Sync + 'static,
    R: Replay<Req, Request = Req, Kept: Send> + Send + Sync + 'static,
{
    type Request = Req;
    type Key = K::Key;
    type Answer = A::Answer;
    type Response = S::Response;
    type Error = S::Error;
    type Kept = R::Kept;
    type Service = S;

    fn instance(&self) -> S {
        lock(&self.master).clone()
    }

    #[inline]
    fn context<'a>(&self, request: &'a Req) -> Option<&'a Context> {
        self.how.protocol.context(request)
    }

    #[inline]
    fn key(&self, request: &Req) -> K::Key {
        self.how.key.key(request)
    }

    fn cost(&self, request: &Req) -> u64 {
        let cost = self.context(request).and_then(|context| context.cost);
        cost.unwrap_or_else(|| self.how.protocol.cost(request))
            .tokens
    }

    fn classify(&self, result: Result<&S::Response, &S::Error>) -> Outcome {
        self.how.protocol.classify(result)
    }

    fn answers(&self, response: S::Response, items: usize) -> Vec<Result<A::Answer, S::Error>> {
        let answers = self.how.answers.answers(response);
        answers.take(items + 1).collect()
    }

    fn share(&self, error: S::Error, callers: usize) -> Vec<S::Error> {
        self.how.errors.share(error, callers)
    }

    fn splits(&self) -> bool {
        self.how.splits
    }

    fn budget(&self) -> Option<&Budget> {
        self.how.budget.as_ref()
    }

    fn keep(&self, request: Req) -> (Req, R::Kept) {
        self.how.replay.keep(request)
    }

    fn is_whole(&self, kept: &R::Kept) -> bool {
        self.how.replay.is_whole(kept)
    }

    fn again(&self, kept: &mut R::Kept) -> Option<Req> {
        self.how.replay.again(kept)
    }
}

impl<Req, S, P, K, A, E, R> fmt::Debug for Over<Req, S, P, K, A, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Over")
    }
}
