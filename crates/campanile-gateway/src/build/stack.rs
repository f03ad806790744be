//! What a pool is made of.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use campanile::{
    Call, Endpoint,
    balance::{AvoidTried, BalanceLayer, FastFail, LeastLoaded, Tiers},
    budget::Budget,
    circuit_breaker::CircuitBreakerLayer,
    concurrency_limit::ConcurrencyLimitLayer,
    discover::PerEndpointLayer,
    hedge::{HedgeHandle, HedgeLayer},
    metrics::StageMetrics,
    rate_limit::RateLimitLayer,
    retry::RetryLayer,
    timeout::TimeoutLayer,
    trace::TraceLayer,
};
use campanile_llm::{
    Chat, ContentData, Error,
    account::AccountLayer,
    chat::ChatResponse,
    commit::CommitLayer,
    embed::{EmbeddingRequest, EmbeddingResponse, Embeddings},
    resume::ResumeLayer,
    route::{ConversationLayer, ServingLayer},
};
use futures_util::{Stream, StreamExt};
use tower::{ServiceBuilder, discover::Change, util::option_layer};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    Chats, Embeds, ServesChats,
    around::{Around, Pluggable},
    guards::Guards,
    stash::Stashed,
    strategy::Picks,
    target::Target,
};

/// The members, as they come and go. Boxed: probes stand in between or not, and nothing of it is in the way of a call.
pub(super) type Discovery =
    Pin<Box<dyn Stream<Item = Result<Change<Endpoint, Target>, Infallible>> + Send>>;

/// The layers of a pool, checked.
pub(super) struct Layers {
    pub(super) retry: Option<RetryLayer>,
    /// What retries may add, of chats and embeddings together.
    pub(super) budget: Option<Budget>,
    pub(super) hedge: Option<HedgeHandle>,
    pub(super) resume: Option<ResumeLayer>,
    pub(super) conversation: Option<ConversationLayer>,
    pub(super) serving: Option<ServingLayer>,
    pub(super) picks: Picks,
    pub(super) clocks: TimeoutLayer,
    pub(super) account: AccountLayer,
    pub(super) patience: Duration,
    /// For how long at most a member is left alone because its provider says so.
    pub(super) believed: Duration,
    pub(super) metrics: StageMetrics,
    pub(super) directory: Directory,
}

/// What guards each member, by its key: looked up when a member's stack is built.
pub(super) type Directory = Arc<Mutex<BTreeMap<String, Guards>>>;

pub(super) fn lock(directory: &Directory) -> MutexGuard<'_, BTreeMap<String, Guards>> {
    directory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The guards of a member. One that has left meanwhile gets no calls, and may have any.
fn guards_of(directory: &Directory, endpoint: &Endpoint) -> Guards {
    let found = lock(directory).get(endpoint.key()).cloned();
    found.unwrap_or_default()
}

/// A stack that stages are built around.
struct Plug<S>(Stashed<S>);

pub(super) type ChatPlug = Arc<dyn Pluggable<Chats>>;
pub(super) type EmbedPlug = Arc<dyn Pluggable<Embeds>>;

/// The pool for chats, by itself and to be built around.
pub(super) fn chats(layers: Layers, members: Discovery) -> (Chats, ChatPlug) {
    let retry = layers.retry.map(|retry| match &layers.budget {
        Some(budget) => retry.budget(budget.clone()).protocol(Chat),
        None => retry.protocol(Chat),
    });
    let hedge = layers.hedge.as_ref();
    let hedge = hedge.map(|handle| HedgeLayer::shared(handle).protocol(Chat));
    let clocks = layers.clocks.protocol(Chat).counting(ContentData);
    let (account, directory, metrics) = (layers.account, layers.directory, layers.metrics);
    let pool = ServiceBuilder::new()
        .layer(option_layer(layers.conversation))
        .layer(option_layer(layers.serving))
        .layer(option_layer(hedge))
        .layer(option_layer(retry))
        .layer(TraceLayer::attempt().protocol(Chat))
        .layer(
            BalanceLayer::bare(FastFail::new(layers.picks).with_max_retry_after(layers.believed))
                .protocol(Chat)
                .patience(layers.patience),
        )
        .layer(PerEndpointLayer::new(
            move |endpoint: &Endpoint, target: Target| {
                let guards = guards_of(&directory, endpoint);
                let metrics = metrics.endpoint(endpoint);
                metrics
                    .collect(guards.breaker.clone())
                    .collect(guards.rate.clone())
                    .collect(guards.concurrency.clone());
                ServiceBuilder::new()
                    .layer(metrics.layer().protocol(Chat))
                    .layer(TraceLayer::endpoint(endpoint).protocol(Chat))
                    .layer(
                        CircuitBreakerLayer::shared(&guards.breaker)
                            .protocol(Chat)
                            .gate(endpoint),
                    )
                    .layer(
                        RateLimitLayer::shared(&guards.rate)
                            .protocol(Chat)
                            .advise(Chat)
                            .gate(endpoint),
                    )
                    .layer(
                        ConcurrencyLimitLayer::shared(&guards.concurrency)
                            .protocol(Chat)
                            .gate(endpoint),
                    )
                    .layer(account.clone().endpoint(endpoint))
                    .layer(CommitLayer::default())
                    .layer(clocks.clone())
                    .service(target.provider)
            },
        ))
        .service(members);
    match layers.resume {
        None => plug(pool),
        Some(resume) => plug(resume.layer(pool)),
    }
}

/// The pool for embeddings, over the same members and guards. Whoever has fewest calls gets the next: unlike the strategy for
/// chats it publishes nothing of a member, of which there is one for both.
pub(super) fn embeds(layers: &Layers, members: Discovery) -> (Embeds, EmbedPlug) {
    let retry = layers.retry.clone().map(|retry| match &layers.budget {
        Some(budget) => retry.budget(budget.clone()).protocol(Embeddings),
        None => retry.protocol(Embeddings),
    });
    let clocks = layers.clocks.clone().protocol(Embeddings);
    let picks = AvoidTried::new(Tiers::new(LeastLoaded::two_choices()));
    let account = layers.account.clone();
    let (directory, metrics) = (Arc::clone(&layers.directory), layers.metrics.clone());
    let members = members.filter(|change| {
        let embeds = match change {
            Ok(Change::Insert(_, target)) => target.embeds(),
            _ => true,
        };
        std::future::ready(embeds)
    });
    let pool = ServiceBuilder::new()
        .layer(option_layer(retry))
        .layer(TraceLayer::attempt().protocol(Embeddings))
        .layer(
            BalanceLayer::bare(FastFail::new(picks).with_max_retry_after(layers.believed))
                .protocol(Embeddings)
                .patience(layers.patience),
        )
        .layer(PerEndpointLayer::new(
            move |endpoint: &Endpoint, target: Target| {
                let guards = guards_of(&directory, endpoint);
                let metrics = metrics.endpoint(endpoint);
                ServiceBuilder::new()
                    .layer(metrics.layer().protocol(Embeddings))
                    .layer(TraceLayer::endpoint(endpoint).protocol(Embeddings))
                    .layer(
                        CircuitBreakerLayer::shared(&guards.breaker)
                            .protocol(Embeddings)
                            .gate(endpoint),
                    )
                    .layer(
                        RateLimitLayer::shared(&guards.rate)
                            .protocol(Embeddings)
                            .gate(endpoint),
                    )
                    .layer(
                        ConcurrencyLimitLayer::shared(&guards.concurrency)
                            .protocol(Embeddings)
                            .gate(endpoint),
                    )
                    .layer(account.clone().endpoint(endpoint))
                    .layer(clocks.clone())
                    .service(target.provider)
            },
        ))
        .service(Box::pin(members));
    let pool = Plug(Stashed::new(pool));
    (Embeds::new(pool.0.clone()), Arc::new(pool))
}

fn plug<S: ServesChats>(pool: S) -> (Chats, ChatPlug) {
    let pool = Plug(Stashed::new(pool));
    let alone = ServiceBuilder::new()
        .map_response(ChatResponse::boxed)
        .service(pool.0.clone());
    (Chats::new(alone), Arc::new(pool))
}

// ===== impl Plug =====

impl<S: ServesChats> Pluggable<Chats> for Plug<S> {
    fn stage(&self, around: &Around) -> Chats {
        around.chats(self.0.clone())
    }
}

impl<S> Pluggable<Embeds> for Plug<S>
where
    S: Service<Call<EmbeddingRequest>, Response = EmbeddingResponse, Error = Error>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    fn stage(&self, around: &Around) -> Embeds {
        around.embeds(self.0.clone())
    }
}
