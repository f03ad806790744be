use std::sync::Mutex as Names;

use super::{
    account::LARGEST,
    config::{Enforce, Oversize, SpendBudget, SpendLimitConfig},
    period::Schedule,
    unit::SpendUnit,
};
use crate::{
    cost::Cost,
    rejection::{Lack, Shortage},
    sync::{AtomicU64, Ordering},
};

/// What holds for one budget, whatever the key.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) name: &'static str,
    pub(super) unit: SpendUnit,
    pub(super) schedule: Schedule,
    limit: AtomicU64,
    soft: bool,
    alone: bool,
    /// What a call of unknown cost is taken to cost.
    assumed: u64,
    pub(super) warn_at: Box<[f64]>,
}

/// What a call is estimated to take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) likely: Cost,
    /// The most that it can take, or what is likely where nobody says more.
    pub(super) most: Cost,
}

// ===== impl Terms =====

impl Terms {
    pub(super) fn new(budget: &SpendBudget, config: &SpendLimitConfig) -> Self {
        let mut warn_at = budget.warn_at.clone();
        warn_at.sort_by(f64::total_cmp);
        Self {
            name: name(&budget.name()),
            unit: budget.unit,
            schedule: budget.schedule(),
            limit: AtomicU64::new(budget.limit),
            soft: budget.enforce == Enforce::Warn,
            alone: config.oversize == Oversize::Alone,
            assumed: match budget.unit {
                SpendUnit::Tokens => config.assumed_tokens,
                SpendUnit::Money => config.assumed_money,
            },
            warn_at: warn_at.into(),
        }
    }

    /// Whether it is not to be exceeded.
    pub(super) const fn refuses(&self) -> bool {
        !self.soft
    }

    #[inline]
    pub(super) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    pub(super) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// What is reserved for a call: the most that it can take, unless it may be exceeded.
    #[inline]
    pub(super) fn amount(&self, asked: &Asked, limit: u64) -> u64 {
        let cost = if self.soft {
            &asked.likely
        } else {
            &asked.most
        };
        self.amount_of(cost, limit)
    }

    /// What a call is taken to use of which nobody reports it.
    #[inline]
    pub(super) fn likely(&self, asked: &Asked, limit: u64) -> u64 {
        self.amount_of(&asked.likely, limit)
    }

    #[inline]
    fn amount_of(&self, cost: &Cost, limit: u64) -> u64 {
        match self.unit.of(cost) {
            0 => self.assumed.min(limit),
            cost => cost.min(LARGEST),
        }
    }

    /// Whether there is room for so much when `taken` is taken. A call that costs nothing needs some as well.
    #[inline]
    pub(super) fn admits(&self, taken: u64, amount: u64, limit: u64) -> bool {
        taken.saturating_add(amount.max(1)) <= limit
            || self.soft
            || (self.alone && taken == 0 && limit > 0)
    }

    /// That there is too little of it.
    pub(super) fn shortage(&self, needs: u64, left: u64, limit: u64, lack: Lack) -> Shortage {
        let mut shortage = Shortage::new(self.name, lack);
        shortage.is_money = self.unit == SpendUnit::Money;
        shortage.needs = needs;
        shortage.left = left;
        shortage.limit = limit;
        shortage
    }

    /// From how much on this part of the limit is spent.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to the limit
    pub(super) fn part(&self, part: f64, limit: u64) -> u64 {
        if part >= 1.0 {
            return limit.max(1);
        }
        ((limit as f64 * part).ceil() as u64).max(1)
    }
}

/// A name for good. There are as many as are written in settings, and each is kept once.
fn name(name: &str) -> &'static str {
    static NAMES: Names<Vec<&'static str>> = Names::new(Vec::new());
    let mut names = NAMES
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = names.iter().find(|known| **known == name) {
        return known;
    }
    let kept = Box::leak(name.to_owned().into_boxed_str());
    names.push(kept);
    kept
}
