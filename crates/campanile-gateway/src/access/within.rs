//! The router within a caller's limits and budgets. One type for each combination of layers, and one box around it.

use campanile::{
    Call,
    concurrency_limit::ConcurrencyLimitLayer,
    rate_limit::RateLimitLayer,
    spend_limit::{SpendLimitHandle, SpendLimitLayer},
};
use campanile_llm::{
    Chat, Error,
    chat::{ChatEvent, ChatRequest, ChatResponse},
    embed::Embeddings,
};
use futures_util::Stream;
use tower::ServiceBuilder;
use tower_layer::Layer;
use tower_service::Service;

use super::{Routed, limits::Limits};
use crate::build::{Chats, Embeds, Holder, Name};

/// The names of a key, and of its tenant.
pub(super) type Held = (Name, Name);

/// What a caller calls, from the outside in: estimate, budgets of its tenant, rate and concurrency of its key, the router. A
/// call for which there is no budget left takes no turn from others.
pub(super) fn chats(
    routed: &Routed<'_>,
    held: Held,
    limits: &Limits,
    budgets: Option<&SpendLimitHandle>,
) -> Chats {
    let router = routed.chats.clone();
    match &limits.concurrent {
        Some(limit) => {
            let limit = ConcurrencyLimitLayer::shared(limit).protocol(Chat);
            let limited = Holder::Key(held.0).layer(limit.layer(router));
            rated(routed, held, limits, budgets, limited)
        }
        None => rated(routed, held, limits, budgets, router),
    }
}

fn rated<S, T>(
    routed: &Routed<'_>,
    held: Held,
    limits: &Limits,
    budgets: Option<&SpendLimitHandle>,
    inner: S,
) -> Chats
where
    S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error>,
    S: Clone + Send + 'static,
    S::Future: Send,
    T: Stream<Item = Result<ChatEvent, Error>> + Send + 'static,
{
    match &limits.rate {
        Some(limit) => {
            let limit = RateLimitLayer::shared(limit).protocol(Chat);
            let limited = Holder::Key(held.0).layer(limit.layer(inner));
            paid(routed, held, budgets, limited)
        }
        None => paid(routed, held, budgets, inner),
    }
}

fn paid<S, T>(
    routed: &Routed<'_>,
    held: Held,
    budgets: Option<&SpendLimitHandle>,
    inner: S,
) -> Chats
where
    S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error>,
    S: Clone + Send + 'static,
    S::Future: Send,
    T: Stream<Item = Result<ChatEvent, Error>> + Send + 'static,
{
    match budgets {
        Some(budgets) => {
            let budgets = SpendLimitLayer::shared(budgets).protocol(Chat);
            estimated(routed, Holder::Tenant(held.1).layer(budgets.layer(inner)))
        }
        None => estimated(routed, inner),
    }
}

fn estimated<S, T>(routed: &Routed<'_>, inner: S) -> Chats
where
    S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error>,
    S: Clone + Send + 'static,
    S::Future: Send,
    T: Stream<Item = Result<ChatEvent, Error>> + Send + 'static,
{
    Chats::new(
        ServiceBuilder::new()
            .map_response(ChatResponse::boxed)
            .layer(routed.estimate)
            .service(inner),
    )
}

/// As [`chats`]. Rarer, so each layer may have a box.
pub(super) fn embeds(
    routed: &Routed<'_>,
    held: Held,
    limits: &Limits,
    budgets: Option<&SpendLimitHandle>,
) -> Embeds {
    let builder = || ServiceBuilder::new().layer(routed.estimate);
    let mut embeds = Embeds::new(routed.embeds.clone());
    if let Some(limit) = &limits.concurrent {
        let limit = ConcurrencyLimitLayer::shared(limit).protocol(Embeddings);
        embeds = Embeds::new(Holder::Key(held.0).layer(limit.layer(embeds)));
    }
    if let Some(limit) = &limits.rate {
        let limit = RateLimitLayer::shared(limit).protocol(Embeddings);
        embeds = Embeds::new(Holder::Key(held.0).layer(limit.layer(embeds)));
    }
    if let Some(budgets) = budgets {
        let budgets = SpendLimitLayer::shared(budgets).protocol(Embeddings);
        embeds = Embeds::new(Holder::Tenant(held.1).layer(budgets.layer(embeds)));
    }
    Embeds::new(builder().service(embeds))
}
