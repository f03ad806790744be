use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{
    accounts::Store,
    config::SpendLimitConfig,
    handle::SpendLimitHandle,
    purse::{Held, Purse, SparePurse},
    settle::{Paid, Settle},
    spending::Spending,
    terms::Asked,
};
use crate::{
    completion::Completion,
    context::{Payer, SpareTrail},
    key::KeyOf,
    lane::Lanes,
    protocol::{Guarded, Protocol},
    rejection::Rejection,
    time::Timestamp,
};

/// A service whose calls are paid from budgets. See the [module](super).
// The service is owned, which is said here once and for all: the impls below need no bound for it, which would keep
// async blocks over boxed errors from being `Send`.
pub struct SpendLimit<S: 'static, P, B: Store, F> {
    inner: S,
    spending: Arc<Lanes<Spending<B>>>,
    protocol: P,
    key: F,
    spare: SpareTrail,
    spare_purse: SparePurse<B>,
}

// ===== impl SpendLimit =====

impl<S, P, B: Store, F> SpendLimit<S, P, B, F> {
    pub(super) fn new(inner: S, spending: Arc<Spending<B>>, protocol: P, key: F) -> Self {
        Self {
            inner,
            spending: Arc::new(Lanes::new(spending)),
            protocol,
            key,
            spare: SpareTrail::default(),
            spare_purse: SparePurse::default(),
        }
    }

    /// What an operator sees and moves.
    #[must_use]
    pub fn handle(&self) -> SpendLimitHandle<B> {
        SpendLimitHandle::of(Arc::clone(self.spending.shared()))
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &SpendLimitConfig {
        &self.spending.config
    }

    /// The service within.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, P, B, F, Req> Service<Req> for SpendLimit<S, P, B, F>
where
    S: Service<Req>,
    S::Error: From<Rejection>,
    P: Protocol<Req, S::Response, S::Error>,
    B: Store,
    F: KeyOf<Req, B::Key>,
    Req: 'static,
{
    type Response = P::Response<Settle<B>>;
    type Error = S::Error;
    type Future = Guarded<S, P, Settle<B>, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, mut request: Req) -> Self::Future {
        let now = Timestamp::now();
        let context = self.protocol.context(&request);
        let likely = context
            .and_then(|context| context.cost)
            .unwrap_or_else(|| self.protocol.cost(&request));
        let most = context.and_then(|context| context.most);
        let asked = Asked {
            likely,
            most: most.unwrap_or(likely),
        };
        let key = self.key.key(&request, context);
        let has_context = context.is_some();
        let reserved = match self.spending.reserve(&key, &asked, now) {
            Ok(reserved) => reserved,
            Err(rejection) => return Guarded::refused(rejection, self.protocol.clone()),
        };
        let held = Held {
            spending: self.spending.share(),
            key,
            reserved,
        };
        let mut trail = None;
        if self.spending.config.trail.applies(|| has_context)
            && let Some(context) = self.protocol.context_mut(&mut request)
        {
            trail = Some(self.spare.lend_branch(context));
        }
        let paid = match &trail {
            // Where nobody says the most there is nothing that further attempts could stay within.
            Some(trail) if most.is_some() && self.spending.refuses => {
                let purse = self.spare_purse.lend(Purse::new(held));
                trail.paid_by(Arc::clone(&purse) as Arc<dyn Payer>);
                Paid::Purse(purse)
            }
            _ => Paid::Once(held),
        };
        // Before the call is made, so that one which panics there is settled.
        let settle = Settle::new(paid, trail);
        let completion = Completion::new(settle);
        Guarded::calling(self.inner.call(request), completion, self.protocol.clone())
    }
}

impl<S, P, B, F> Clone for SpendLimit<S, P, B, F>
where
    S: Clone,
    P: Clone,
    B: Store,
    F: Clone,
{
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            spending: Arc::clone(&self.spending),
            protocol: self.protocol.clone(),
            key: self.key.clone(),
            spare: self.spare.clone(),
            spare_purse: self.spare_purse.clone(),
        }
    }
}

impl<S: fmt::Debug, P, B: Store + fmt::Debug, F> fmt::Debug for SpendLimit<S, P, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpendLimit")
            .field("inner", &self.inner)
            .field("spending", &self.spending)
            .finish_non_exhaustive()
    }
}
