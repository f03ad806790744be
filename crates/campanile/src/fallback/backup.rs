use std::{
    fmt,
    future::{Future, Ready, ready},
    sync::{Arc, Mutex, PoisonError},
};

use tower_service::Service;

use super::ToFuture;
use crate::{context::Trail, outcome::Outcome};

/// What answers a call that failed: [a service](ToService), [a value](Value), [a function](Function), or something of your
/// own.
pub trait Backup<Req, Res, Err>: Keep<Req> {
    /// The answer from elsewhere.
    type Future: Future<Output = Result<Res, Err>>;

    /// Answers the call that failed. Its future has been dropped.
    fn answer(&self, kept: Self::Kept, failed: Failed<Res, Err>) -> Self::Future;
}

/// A call that failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failed<Res, Err> {
    /// What its answer means.
    pub outcome: Outcome,
    /// Its answer. A response that failed holds what its body or stream holds, permits included, until it is dropped.
    pub result: Result<Res, Err>,
    /// Whose attempts one more would be.
    pub(super) trail: Option<Trail>,
}

/// Keeps of a request, before the call, what the answer from elsewhere needs should the call fail: [`Cloned`], or a
/// closure `Fn(&Req) -> Option<T>`.
pub trait Keep<Req> {
    /// What is kept while the call runs.
    type Kept;

    /// Keeps it; `None` when this call, if it fails, stays so.
    fn keep(&self, request: &Req) -> Option<Self::Kept>;
}

/// A clone of the request goes elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cloned;

/// Another service answers, called with what `K` keeps of the request.
pub struct ToService<B, K = Cloned> {
    // What clones are made of. Behind a mutex, since a service need not be `Sync`; touched only when a call has failed.
    service: Arc<Mutex<B>>,
    keep: K,
}

/// A clone of this value is the answer.
#[derive(Debug, Clone, Copy)]
pub struct Value<T>(pub T);

/// A function of the failed call answers.
#[derive(Clone, Copy)]
pub struct Function<F>(pub F);

/// A function answers, of what `K` keeps of the request and of the failed call.
#[derive(Clone, Copy)]
pub struct FunctionOf<K, F>(pub K, pub F);

// ===== impl Keep =====

impl<Req: Clone> Keep<Req> for Cloned {
    type Kept = Req;

    fn keep(&self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }
}

impl<F, Req, T> Keep<Req> for F
where
    F: Fn(&Req) -> Option<T>,
{
    type Kept = T;

    fn keep(&self, request: &Req) -> Option<T> {
        self(request)
    }
}

// ===== impl ToService =====

impl<B, K> ToService<B, K> {
    /// Calls clones of `service`.
    pub fn new(service: B, keep: K) -> Self {
        Self {
            service: Arc::new(Mutex::new(service)),
            keep,
        }
    }

    /// Keeps something else of the request.
    pub(super) fn keeping<L>(self, keep: L) -> ToService<B, L> {
        ToService {
            service: self.service,
            keep,
        }
    }
}

impl<B, K: Keep<Req>, Req> Keep<Req> for ToService<B, K> {
    type Kept = K::Kept;

    fn keep(&self, request: &Req) -> Option<K::Kept> {
        self.keep.keep(request)
    }
}

impl<B, K, Req, Res, Err> Backup<Req, Res, Err> for ToService<B, K>
where
    B: Service<K::Kept, Response = Res> + Clone,
    B::Error: Into<Err>,
    K: Keep<Req>,
{
    type Future = ToFuture<B, K::Kept, Err>;

    fn answer(&self, kept: K::Kept, failed: Failed<Res, Err>) -> Self::Future {
        // A panic while it was cloned leaves the service as it was.
        let service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        ToFuture::new(service.clone(), kept, failed)
    }
}

impl<B, K: Clone> Clone for ToService<B, K> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            keep: self.keep.clone(),
        }
    }
}

impl<B, K> fmt::Debug for ToService<B, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToService").finish_non_exhaustive()
    }
}

// ===== impl Value =====

impl<T, Req> Keep<Req> for Value<T> {
    type Kept = ();

    fn keep(&self, _request: &Req) -> Option<()> {
        Some(())
    }
}

impl<T: Clone, Req, Err> Backup<Req, T, Err> for Value<T> {
    type Future = Ready<Result<T, Err>>;

    fn answer(&self, (): (), _failed: Failed<T, Err>) -> Self::Future {
        ready(Ok(self.0.clone()))
    }
}

// ===== impl Function =====

impl<F, Req> Keep<Req> for Function<F> {
    type Kept = ();

    fn keep(&self, _request: &Req) -> Option<()> {
        Some(())
    }
}

impl<F, Fut, Req, Res, Err> Backup<Req, Res, Err> for Function<F>
where
    F: Fn(Failed<Res, Err>) -> Fut,
    Fut: Future<Output = Result<Res, Err>>,
{
    type Future = Fut;

    fn answer(&self, (): (), failed: Failed<Res, Err>) -> Fut {
        (self.0)(failed)
    }
}

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Function").finish_non_exhaustive()
    }
}

// ===== impl FunctionOf =====

impl<K: Keep<Req>, F, Req> Keep<Req> for FunctionOf<K, F> {
    type Kept = K::Kept;

    fn keep(&self, request: &Req) -> Option<K::Kept> {
        self.0.keep(request)
    }
}

impl<K, F, Fut, Req, Res, Err> Backup<Req, Res, Err> for FunctionOf<K, F>
where
    K: Keep<Req>,
    F: Fn(K::Kept, Failed<Res, Err>) -> Fut,
    Fut: Future<Output = Result<Res, Err>>,
{
    type Future = Fut;

    fn answer(&self, kept: K::Kept, failed: Failed<Res, Err>) -> Fut {
        (self.1)(kept, failed)
    }
}

impl<K, F> fmt::Debug for FunctionOf<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FunctionOf").finish_non_exhaustive()
    }
}
