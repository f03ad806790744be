use std::{
    sync::Arc,
    task::{Context, Poll},
};

use campanile::{Call, lane::Lanes};
use tower_service::Service;

use super::{EstimateFuture, EstimateStream, Estimator};
use crate::{
    chat::{ChatRequest, ChatResponse},
    embed::{EmbeddingRequest, EmbeddingResponse},
    error::Error,
};

/// A service whose calls know what they are estimated to take. See the [module](super).
#[derive(Debug, Clone)]
pub struct Estimate<S> {
    inner: S,
    estimator: Arc<Lanes<Estimator>>,
}

// ===== impl Estimate =====

impl<S> Estimate<S> {
    pub(super) fn new(inner: S, estimator: Estimator) -> Self {
        let estimator = Arc::new(Lanes::new(Arc::new(estimator)));
        Self { inner, estimator }
    }

    /// What estimates and learns.
    #[must_use]
    pub fn handle(&self) -> &Estimator {
        &self.estimator
    }
}

impl<S, T> Service<Call<ChatRequest>> for Estimate<S>
where
    S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error>,
{
    type Response = ChatResponse<EstimateStream<T>>;
    type Error = Error;
    type Future = EstimateFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, mut call: Call<ChatRequest>) -> Self::Future {
        // Counted first: a locked operation waits for all that was written before it, and calls write much.
        let estimator = self.estimator.share();
        match estimator.begin(&mut call) {
            Ok(lesson) => EstimateFuture::calling(self.inner.call(call), estimator, lesson),
            Err(error) => EstimateFuture::refused(error),
        }
    }
}

impl<S> Service<Call<EmbeddingRequest>> for Estimate<S>
where
    S: Service<Call<EmbeddingRequest>, Response = EmbeddingResponse, Error = Error>,
{
    type Response = EmbeddingResponse;
    type Error = Error;
    type Future = EstimateFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Call<EmbeddingRequest>) -> Self::Future {
        let estimator = self.estimator.share();
        match estimator.begin_embeddings(&mut call) {
            Ok(lesson) => EstimateFuture::calling(self.inner.call(call), estimator, lesson),
            Err(error) => EstimateFuture::refused(error),
        }
    }
}
