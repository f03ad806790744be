use std::task::{Context, Poll};

use futures_core::Stream;
use tower_service::Service;

use super::{CommitConfig, CommitFuture, CommittedStream, state::Held};
use crate::{
    chat::{ChatEvent, ChatResponse},
    error::Error,
};

/// A provider that answers once there is content; made by [`CommitLayer`](super::CommitLayer). See the [module](super).
#[derive(Debug, Clone)]
pub struct Commit<S> {
    inner: S,
    config: CommitConfig,
}

// ===== impl Commit =====

impl<S> Commit<S> {
    pub(super) const fn new(inner: S, config: CommitConfig) -> Self {
        Self { inner, config }
    }

    /// The service within.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, Req, T> Service<Req> for Commit<S>
where
    S: Service<Req, Response = ChatResponse<T>, Error = Error>,
    T: Stream<Item = Result<ChatEvent, Error>> + Unpin,
{
    type Response = ChatResponse<CommittedStream<T>>;
    type Error = Error;
    type Future = CommitFuture<S::Future, T>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        CommitFuture::new(self.inner.call(request), Held::new(&self.config))
    }
}
