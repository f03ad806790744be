use std::{
    sync::Arc,
    task::{Context, Poll},
};

use campanile::{Call, Completion, lane::Lanes};
use tower_service::Service;

use super::{
    AccountFuture, AccountStream, Ledger,
    attempt::{Accounts, Asked, Attempt},
};
use crate::{
    chat::{ChatRequest, ChatResponse},
    embed::{EmbeddingRequest, EmbeddingResponse},
    error::Error,
};

/// A service whose attempts are recorded. See the [module](super).
#[derive(Debug, Clone)]
pub struct Account<S> {
    inner: S,
    accounts: Arc<Lanes<Accounts>>,
}

// ===== impl Account =====

impl<S> Account<S> {
    pub(super) fn new(inner: S, accounts: Arc<Accounts>) -> Self {
        let accounts = Arc::new(Lanes::new(accounts));
        Self { inner, accounts }
    }

    /// Where attempts are recorded.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.accounts.ledger
    }
}

impl<S, T> Service<Call<ChatRequest>> for Account<S>
where
    S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error>,
{
    type Response = ChatResponse<AccountStream<T>>;
    type Error = Error;
    type Future = AccountFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, call: Call<ChatRequest>) -> Self::Future {
        let request = &call.message;
        let untold = match &call.context.cost {
            Some(cost) if !request.is_streamed() => cost.tokens,
            _ => 0,
        };
        let asked = Asked::Chat(request.clone());
        let attempt = Attempt::new(self.accounts.share(), &call.context, asked, untold);
        // Before the call, which may panic.
        let completion = Completion::new(attempt);
        AccountFuture::new(self.inner.call(call), completion)
    }
}

impl<S> Service<Call<EmbeddingRequest>> for Account<S>
where
    S: Service<Call<EmbeddingRequest>, Response = EmbeddingResponse, Error = Error>,
{
    type Response = EmbeddingResponse;
    type Error = Error;
    type Future = AccountFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<EmbeddingRequest>) -> Self::Future {
        let request = &call.message;
        let calibrated = self.accounts.unanswered.as_ref();
        let untold = calibrated.map_or(0, |calibrated| {
            calibrated.size_tokens(request.model(), request.size())
        });
        let asked = Asked::Of(request.model_shared());
        let attempt = Attempt::new(self.accounts.share(), &call.context, asked, untold);
        let completion = Completion::new(attempt);
        AccountFuture::new(self.inner.call(call), completion)
    }
}
