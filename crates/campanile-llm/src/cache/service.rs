use std::{
    fmt,
    task::{Context, Poll},
};

use campanile::Call;
use futures_core::Stream;
use tokio::time::Instant;
use tower_service::Service;
use tracing::Instrument;

use super::{CacheFuture, CacheHandle, CacheStream, handle::Place, key::Key, task::Task};
use crate::{
    chat::{ChatEvent, ChatRequest, ChatResponse},
    error::Error,
};

/// A service whose answers are kept. See the [module](super).
#[derive(Clone)]
pub struct Cache<S> {
    /// What the services of calls are cloned from. Never readied.
    master: S,
    handle: CacheHandle,
}

// ===== impl Cache =====

impl<S> Cache<S> {
    pub(super) const fn new(master: S, handle: CacheHandle) -> Self {
        Self { master, handle }
    }

    /// Its answers, and what it has done.
    #[must_use]
    pub const fn handle(&self) -> &CacheHandle {
        &self.handle
    }
}

impl<S, St> Service<Call<ChatRequest>> for Cache<S>
where
    S: Service<Call<ChatRequest>, Response = ChatResponse<St>, Error = Error>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    St: Stream<Item = Result<ChatEvent, Error>> + Send + 'static,
{
    type Response = ChatResponse<CacheStream>;
    type Error = Error;
    type Future = CacheFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    /// # Panics
    ///
    /// Outside of a tokio runtime.
    fn call(&mut self, mut call: Call<ChatRequest>) -> CacheFuture {
        let shared = &self.handle.shared;
        let key = Key::of(&call, shared.store.config().scope);
        let now = Instant::now();
        if let Some(kept) = shared.store.get(&key, now) {
            shared.hit();
            return CacheFuture::hit(Box::new(kept));
        }
        match shared.board(key, now) {
            Place::Kept(kept) => CacheFuture::hit(kept),
            Place::Joined(reader) => CacheFuture::waiting(reader),
            Place::First(flight, reader) => {
                // It is nobody's alone: the deadline of who came first ends only that caller's wait.
                call.context.deadline = None;
                let task = Task::new(self.master.clone(), call, key, &flight, shared);
                tokio::spawn(task.in_current_span());
                CacheFuture::waiting(reader)
            }
        }
    }
}

impl<S> fmt::Debug for Cache<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
