//! What stands between the router and a pool: how it follows the settings.

use std::{fmt, sync::Arc};

use campanile::{
    collect::{Collect, Sink},
    concurrency_limit::ConcurrencyLimitSnapshot,
    config::Invalid,
    rate_limit::RateLimitSnapshot,
    spend_limit::{SpendBudget, SpendLimitHandle, SpendSnapshot},
};
use serde::Serialize;

use super::{Chats, Embeds, Limits, Pool, around::Around, pool::Plans};
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

/// What a stage's metrics tell beside its calls, for as long as the stage is there.
#[derive(Debug)]
struct Guarding {
    limits: Limits,
    budgets: Option<SpendLimitHandle>,
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
