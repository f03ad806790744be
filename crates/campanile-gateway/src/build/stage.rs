//! What stands between the router and a pool.

use std::{fmt, sync::Arc, time::Duration};

use campanile::{
    Call,
    collect::{Collect, Sink},
    concurrency_limit::{ConcurrencyLimitLayer, ConcurrencyLimitSnapshot},
    config::Invalid,
    metrics::StageMetrics,
    rate_limit::{RateLimitLayer, RateLimitSnapshot},
    spend_limit::{SpendBudget, SpendLimitHandle, SpendLimitLayer, SpendSnapshot},
    trace::TraceLayer,
};
use campanile_llm::{
    Chat, Error,
    chat::{ChatEvent, ChatRequest, ChatResponse},
    embed::{EmbeddingRequest, EmbeddingResponse, Embeddings},
};
use futures_util::Stream;
use serde::Serialize;
use tokio::time::Instant;
use tower::ServiceBuilder;
use tower_layer::Layer;
use tower_service::Service;

use super::{Chats, Embeds, Holder, Limits, Name, Pool, pool::Plans};
use crate::{config::StageConfig, trail::AtLayer};

/// A stage: a pool, and what stands around it for the calls of some models. Clones are the same stage.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) name: String,
    /// The name of its pool.
    pub(crate) pool: String,
    pub(crate) chats: Chats,
    pub(crate) embeds: Embeds,
    config: StageConfig,
    around: Around,
    /// Held for the metrics.
    #[allow(dead_code)]
    guarding: Arc<Guarding>,
    plug: super::stack::ChatPlug,
}

/// Everything that is known of a stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub(crate) struct StageSnapshot {
    pub(crate) name: String,
    /// The name of its pool.
    pub(crate) pool: String,
    /// How much it is asked for in a time, if that is limited.
    pub(crate) rate: Option<RateLimitSnapshot>,
    /// How many calls it has at once, if that is limited.
    pub(crate) concurrency: Option<ConcurrencyLimitSnapshot>,
    /// What its budgets are, and what is spent of them.
    pub(crate) budgets: Vec<SpendSnapshot>,
}

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

/// What a stage's metrics tell beside its calls, for as long as the stage is there.
#[derive(Debug)]
struct Guarding {
    limits: Limits,
    budgets: Option<SpendLimitHandle>,
}

/// A pool's stack, around which stages can be built without a box between.
pub(super) trait Pluggable<C>: Send + Sync {
    fn stage(&self, around: &Around) -> C;
}

// ===== impl Stage =====

impl Stage {
    /// A stage as the settings say. What of `before` can be kept goes on; nothing is changed there but by the commits.
    pub(super) fn plan(
        name: &str,
        pool: &Pool,
        whole: &Limits,
        before: Option<&Self>,
        plans: &mut Plans<'_>,
    ) -> Result<Self, Invalid> {
        let config = &plans.config.stages[name];
        let limits = Limits::new(
            &config.limits,
            before.map(|before| &before.around.limits[1]),
        )?;
        if limits.anew {
            let what =
                "its limits are of another kind, or waited for in another way: they begin anew";
            plans.told.anew.push(format!("stage {name}: {what}"));
        }
        let known = before.and_then(|before| {
            let budgets = before.around.budgets.as_ref()?;
            Some((&before.config.budgets[..], budgets))
        });
        let budgets = budgets(&config.budgets, known)?;
        let metrics = plans.kept.metrics.stage(name);
        let guarding = Arc::new(Guarding {
            limits: limits.clone(),
            budgets: budgets.clone(),
        });
        let around = Around {
            name: name.to_owned(),
            at: [AtLayer::stage(name), AtLayer::pool(Arc::clone(&pool.name))],
            metrics,
            deadline: config.deadline,
            budgets,
            limits: [whole.clone(), limits],
        };
        if let Some(before) = before {
            let (now, then) = (before.clone(), around.clone());
            let after = config.budgets.clone();
            plans.commits.push(Box::new(move || {
                then.limits[1].settle(&now.around.limits[1]);
                settle(&then, &now.config.budgets, &after);
            }));
            let same = before.config == *config
                && before.around.limits[0].is(whole)
                && Arc::ptr_eq(&before.plug, &pool.chat_plug);
            if same {
                return Ok(before.clone());
            }
        }
        let (told, attached) = (around.metrics.clone(), Arc::downgrade(&guarding));
        plans.commits.push(Box::new(move || {
            told.collect(attached);
        }));
        Ok(Self {
            guarding,
            name: name.to_owned(),
            pool: pool.name.to_string(),
            chats: pool.chat_plug.stage(&around),
            embeds: pool.embed_plug.stage(&around),
            config: config.clone(),
            around,
            plug: Arc::clone(&pool.chat_plug),
        })
    }

    /// Whether it is the very same service.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.chats.is(&other.chats)
    }

    /// Everything that is known of it.
    pub(crate) fn snapshot(&self) -> StageSnapshot {
        let limits = &self.around.limits[1];
        StageSnapshot {
            name: self.name.clone(),
            pool: self.pool.clone(),
            rate: limits.rate.as_ref().map(|rate| rate.snapshot()),
            concurrency: limits.concurrency.as_ref().map(|limit| limit.snapshot()),
            budgets: self
                .around
                .budgets
                .as_ref()
                .map_or_else(Vec::new, SpendLimitHandle::snapshot),
        }
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("name", &self.name)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

// ===== impl Guarding =====

impl Collect for Guarding {
    fn collect(&self, sink: &mut dyn Sink) {
        if let Some(rate) = &self.limits.rate {
            rate.collect(sink);
        }
        if let Some(concurrency) = &self.limits.concurrency {
            concurrency.collect(sink);
        }
        if let Some(budgets) = &self.budgets {
            budgets.collect(sink);
        }
    }
}

/// Budgets as the settings say: those of before where only limits have changed, which [`settle`] sets; otherwise new ones, in
/// which what was spent before is spent.
fn budgets(
    config: &[SpendBudget],
    before: Option<(&[SpendBudget], &SpendLimitHandle)>,
) -> Result<Option<SpendLimitHandle>, Invalid> {
    if config.is_empty() {
        return Ok(None);
    }
    let limits = super::spending(config).build()?;
    let Some((known, handle)) = before else {
        return SpendLimitHandle::new(limits).map(Some);
    };
    let without = |budgets: &[SpendBudget]| {
        let mut budgets = budgets.to_vec();
        budgets.iter_mut().for_each(|budget| budget.limit = 0);
        budgets
    };
    if without(known) == without(config) {
        return Ok(Some(handle.clone()));
    }
    let new = SpendLimitHandle::new(limits)?;
    new.import(&handle.export());
    Ok(Some(new))
}

/// Sets the limits of budgets that were kept.
fn settle(around: &Around, before: &[SpendBudget], after: &[SpendBudget]) {
    let Some(handle) = &around.budgets else {
        return;
    };
    for budget in after {
        let name = budget.name();
        let known = before.iter().find(|known| known.name() == name);
        if known.is_some_and(|known| known.limit != budget.limit) {
            // It was checked with the others.
            let _ = handle.set_limit(&name, budget.limit);
        }
    }
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
    pub(super) fn chats<S, T>(&self, pool: S) -> Chats
    where
        S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        T: Stream<Item = Result<ChatEvent, Error>> + Send + Unpin + 'static,
    {
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

    fn rated<S, T>(&self, inner: S) -> Chats
    where
        S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        T: Stream<Item = Result<ChatEvent, Error>> + Send + Unpin + 'static,
    {
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

    fn budgeted<S, T>(&self, inner: S) -> Chats
    where
        S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        T: Stream<Item = Result<ChatEvent, Error>> + Send + Unpin + 'static,
    {
        match &self.budgets {
            None => self.outermost(inner),
            Some(budgets) => {
                let layer = SpendLimitLayer::shared(budgets).protocol(Chat);
                self.outermost(self.holder().layer(layer.layer(inner)))
            }
        }
    }

    fn outermost<S, T>(&self, inner: S) -> Chats
    where
        S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        T: Stream<Item = Result<ChatEvent, Error>> + Send + Unpin + 'static,
    {
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
