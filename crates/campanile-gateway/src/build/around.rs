//! What stands around a pool for a stage.

use std::time::Duration;

use campanile::{
    Call,
    concurrency_limit::ConcurrencyLimitLayer,
    metrics::StageMetrics,
    rate_limit::RateLimitLayer,
    spend_limit::{SpendLimitHandle, SpendLimitLayer},
    trace::TraceLayer,
};
use campanile_llm::{
    Chat, Error,
    chat::ChatResponse,
    embed::{EmbeddingRequest, EmbeddingResponse, Embeddings},
};
use tokio::time::Instant;
use tower::ServiceBuilder;
use tower_layer::Layer;
use tower_service::Service;

use super::{Chats, Embeds, Holder, Limits, Name, ServesChats};
use crate::trail::AtLayer;

/// What stands around a stage's pool, from the outside in: its span and its metrics, the deadline, the budgets, its own limits and
/// those of the whole. A call for which there is no budget left takes no turn from others, and one that waits for its stage
/// holds no place of the whole.
#[derive(Debug, Clone)]
pub(crate) struct Around {
    pub(super) name: String,
    /// Tell trails that explain which stage and which pool it is.
    pub(super) at: [AtLayer; 2],
    pub(super) metrics: StageMetrics,
    pub(super) deadline: Option<Duration>,
    pub(super) budgets: Option<SpendLimitHandle>,
    /// Those of the whole, then its own.
    pub(super) limits: [Limits; 2],
}

/// A pool's stack, around which stages can be built without a box between.
pub(super) trait Pluggable<C>: Send + Sync {
    fn stage(&self, around: &Around) -> C;
}

// ===== impl Around =====

impl Around {
    fn holder(&self) -> Holder {
        Holder::Stage(Name::of(&self.name))
    }

    /// The limits, and whose they are.
    fn held(&self) -> [(Holder, &Limits); 2] {
        let [whole, own] = &self.limits;
        [(Holder::All, whole), (self.holder(), own)]
    }

    /// The whole stage for chats. One type for each combination of layers, and one box around it.
    pub(super) fn chats(&self, pool: impl ServesChats) -> Chats {
        let pool = Holder::Endpoints.layer(pool);
        let concurrent = self.held().map(|(holder, limits)| {
            let handle = limits.concurrency.as_ref()?;
            let layer = ConcurrencyLimitLayer::shared(handle).protocol(Chat);
            Some((holder, layer))
        });
        match concurrent {
            [None, None] => self.rated(pool),
            [Some((holder, one)), None] | [None, Some((holder, one))] => {
                self.rated(holder.layer(one.layer(pool)))
            }
            [Some((all, whole)), Some((stage, own))] => self.rated(Chats::new(
                ServiceBuilder::new()
                    .map_response(ChatResponse::boxed)
                    .layer(stage)
                    .layer(own)
                    .layer(all)
                    .layer(whole)
                    .service(pool),
            )),
        }
    }

    fn rated(&self, inner: impl ServesChats) -> Chats {
        let rate = self.held().map(|(holder, limits)| {
            let handle = limits.rate.as_ref()?;
            let layer = RateLimitLayer::shared(handle).protocol(Chat);
            Some((holder, layer))
        });
        match rate {
            [None, None] => self.budgeted(inner),
            [Some((holder, one)), None] | [None, Some((holder, one))] => {
                self.budgeted(holder.layer(one.layer(inner)))
            }
            [Some((all, whole)), Some((stage, own))] => self.budgeted(Chats::new(
                ServiceBuilder::new()
                    .map_response(ChatResponse::boxed)
                    .layer(stage)
                    .layer(own)
                    .layer(all)
                    .layer(whole)
                    .service(inner),
            )),
        }
    }

    fn budgeted(&self, inner: impl ServesChats) -> Chats {
        match &self.budgets {
            None => self.outermost(inner),
            Some(budgets) => {
                let layer = SpendLimitLayer::shared(budgets).protocol(Chat);
                self.outermost(self.holder().layer(layer.layer(inner)))
            }
        }
    }

    fn outermost(&self, inner: impl ServesChats) -> Chats {
        let deadline = self.deadline;
        Chats::new(
            ServiceBuilder::new()
                .map_response(ChatResponse::boxed)
                .layer(TraceLayer::stage(self.name.as_str()).protocol(Chat))
                .layer(self.metrics.layer().stamp(true).protocol(Chat))
                .map_request(move |call| within(call, deadline))
                .layer(&self.at[0])
                .layer(&self.at[1])
                .service(inner),
        )
    }

    /// The whole stage for embeddings. Boxed at each layer that is there: what they take is worth a box.
    pub(super) fn embeds<S>(&self, pool: S) -> Embeds
    where
        S: Service<Call<EmbeddingRequest>, Response = EmbeddingResponse, Error = Error>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        let mut service = Embeds::new(Holder::Endpoints.layer(pool));
        // From the inside out.
        for (holder, limits) in self.held() {
            if let Some(handle) = &limits.concurrency {
                let layer = ConcurrencyLimitLayer::shared(handle).protocol(Embeddings);
                service = Embeds::new(holder.layer(layer.layer(service)));
            }
        }
        for (holder, limits) in self.held() {
            if let Some(handle) = &limits.rate {
                let layer = RateLimitLayer::shared(handle).protocol(Embeddings);
                service = Embeds::new(holder.layer(layer.layer(service)));
            }
        }
        if let Some(budgets) = &self.budgets {
            let layer = SpendLimitLayer::shared(budgets).protocol(Embeddings);
            service = Embeds::new(self.holder().layer(layer.layer(service)));
        }
        let deadline = self.deadline;
        Embeds::new(
            ServiceBuilder::new()
                .layer(TraceLayer::stage(self.name.as_str()).protocol(Embeddings))
                .layer(self.metrics.layer().stamp(true).protocol(Embeddings))
                .map_request(move |call| within(call, deadline))
                .layer(&self.at[0])
                .layer(&self.at[1])
                .service(service),
        )
    }
}

/// Gives a call a deadline, unless it has an earlier one.
fn within<T>(mut call: Call<T>, deadline: Option<Duration>) -> Call<T> {
    // One that is beyond all time is none.
    if let Some(then) = deadline.and_then(|deadline| Instant::now().checked_add(deadline)) {
        let earlier = call.context.deadline.is_some_and(|known| known <= then);
        if !earlier {
            call.context.deadline = Some(then);
        }
    }
    call
}
