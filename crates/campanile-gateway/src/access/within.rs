//! The router within a caller's limits and budgets. One type for each combination of layers, and one box around it.

use campanile::{
    concurrency_limit::ConcurrencyLimitLayer,
    rate_limit::RateLimitLayer,
    spend_limit::{SpendLimitHandle, SpendLimitLayer},
};
use campanile_llm::{Chat, chat::ChatResponse, embed::Embeddings};
use tower::ServiceBuilder;
use tower_layer::Layer;

use super::{Routed, limits::Limits};
use crate::build::{Chats, Embeds, Holder, Name, ServesChats};

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

fn rated(
    routed: &Routed<'_>,
    held: Held,
    limits: &Limits,
    budgets: Option<&SpendLimitHandle>,
    inner: impl ServesChats,
) -> Chats {
    match &limits.rate {
        Some(limit) => {
            let limit = RateLimitLayer::shared(limit).protocol(Chat);
            let limited = Holder::Key(held.0).layer(limit.layer(inner));
            paid(routed, held, budgets, limited)
        }
        None => paid(routed, held, budgets, inner),
    }
}

fn paid(
    routed: &Routed<'_>,
    held: Held,
    budgets: Option<&SpendLimitHandle>,
    inner: impl ServesChats,
) -> Chats {
    match budgets {
        Some(budgets) => {
            let budgets = SpendLimitLayer::shared(budgets).protocol(Chat);
            estimated(routed, Holder::Tenant(held.1).layer(budgets.layer(inner)))
        }
        None => estimated(routed, inner),
    }
}

fn estimated(routed: &Routed<'_>, inner: impl ServesChats) -> Chats {
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
