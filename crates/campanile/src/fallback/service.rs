use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{
    Backup, Keep, ResponseFuture, When,
    answer::{Elsewhere, Rule},
};
use crate::protocol::Protocol;

/// A service whose failed calls are answered from elsewhere; `K` keeps of each request what that needs. See the
/// [module](super).
// The bounds are those of its fields.
pub struct Fallback<S, K, P, Req>
where
    S: Service<Req> + 'static,
    K: Keep<Req> + 'static,
    Req: 'static,
{
    inner: S,
    keep: K,
    protocol: P,
    answer: Elsewhere<K::Kept, S::Response, S::Error>,
}

// ===== impl Fallback =====

impl<S: Service<Req>, B: Keep<Req>, P, Req> Fallback<S, B, P, Req> {
    /// Lets `backup` answer the calls of `inner` that fail as `when` says.
    pub fn new<W>(inner: S, backup: B, when: W, protocol: P) -> Self
    where
        B: Backup<Req, S::Response, S::Error> + Clone + Send + Sync,
        B::Future: Send + 'static,
        W: When<S::Response, S::Error> + Send + Sync + 'static,
    {
        let rule = Rule {
            backup: backup.clone(),
            when,
            request: PhantomData,
        };
        Self {
            inner,
            keep: backup,
            protocol,
            answer: Arc::new(rule),
        }
    }

    /// The service within.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, K, P, Req> Service<Req> for Fallback<S, K, P, Req>
where
    S: Service<Req>,
    K: Keep<Req>,
    P: Protocol<Req, S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, K, P, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let context = self.protocol.context(&request);
        let (trail, deadline) = context.map_or((None, None), |context| {
            (context.trail.clone(), context.deadline)
        });
        let kept = self.keep.keep(&request);
        ResponseFuture::new(
            Arc::clone(&self.answer),
            self.protocol.clone(),
            kept,
            trail,
            deadline,
            self.inner.call(request),
        )
    }
}

impl<S, K, P, Req> Clone for Fallback<S, K, P, Req>
where
    S: Service<Req> + Clone,
    K: Keep<Req> + Clone,
    P: Clone,
{
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            keep: self.keep.clone(),
            protocol: self.protocol.clone(),
            answer: Arc::clone(&self.answer),
        }
    }
}

impl<S, K, P, Req> fmt::Debug for Fallback<S, K, P, Req>
where
    S: Service<Req> + fmt::Debug,
    K: Keep<Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
