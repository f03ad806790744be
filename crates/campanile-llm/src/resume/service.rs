use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use campanile::Call;
use futures_core::Stream;
use tower_service::Service;

use super::{ResumeConfig, ResumeFuture, ResumedStream, progress::Progress};
use crate::{
    chat::{ChatEvent, ChatRequest, ChatResponse},
    error::Error,
};

/// A provider whose answers are resumed when they break off; made by [`ResumeLayer`](super::ResumeLayer). See the
/// [module](super).
// Owned types, said here once and for all: where a call is polled it would be asked of every type anew for each lifetime.
pub struct Resume<S: 'static> {
    inner: S,
    config: Arc<ResumeConfig>,
    master: Arc<Master<S>>,
}

/// What the services of resumptions are cloned from, so that a call which needs none clones none. Never readied.
pub(super) struct Master<S>(Mutex<S>);

// ===== impl Resume =====

impl<S: Clone> Resume<S> {
    pub(super) fn new(inner: S, config: Arc<ResumeConfig>) -> Self {
        Self {
            master: Arc::new(Master(Mutex::new(inner.clone()))),
            inner,
            config,
        }
    }
}

impl<S> Resume<S> {
    /// The service within.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, T> Service<Call<ChatRequest>> for Resume<S>
where
    S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error> + Clone,
    T: Stream<Item = Result<ChatEvent, Error>> + Unpin,
{
    type Response = ChatResponse<ResumedStream<S, T>>;
    type Error = Error;
    type Future = ResumeFuture<S>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Call<ChatRequest>) -> Self::Future {
        let progress = Progress::of(&mut call, &self.config);
        ResumeFuture::new(self.inner.call(call), progress, Arc::clone(&self.master))
    }
}

impl<S: Clone> Clone for Resume<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            config: Arc::clone(&self.config),
            master: Arc::clone(&self.master),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Resume<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume")
            .field("inner", &self.inner)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

// ===== impl Master =====

impl<S: Clone> Master<S> {
    /// A service for a resumption, yet to be readied.
    pub(super) fn instance(&self) -> S {
        let master = self.0.lock();
        master.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
