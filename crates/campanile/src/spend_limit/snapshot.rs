use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::{
    account::{Admitted, Cell},
    accounts::{Holder, Store},
    clock::moment,
    spending::Spending,
    terms::Terms,
    unit::SpendUnit,
};

/// What is known of the budgets of all calls together, or of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SpendSnapshot {
    /// What the budget is called.
    pub budget: &'static str,
    /// What is counted.
    pub unit: SpendUnit,
    /// The limit: tokens, or nano-dollars.
    pub limit: u64,
    /// What calls that are over have used in the present period.
    pub spent: u64,
    /// What is reserved for calls under way.
    pub reserved: u64,
    /// What is left: 0 also where more was used than was estimated.
    pub left: u64,
    /// When the present period ends; `None` when it never does, and before the first call of a period.
    pub until: Option<SystemTime>,
    /// In how long; written as a number of seconds.
    #[serde(serialize_with = "crate::time::number::optional")]
    pub ends_in: Option<Duration>,
}

/// What is known of budgets by key, of all keys together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SpendOutline {
    /// How many keys are told apart now.
    pub keys: usize,
    /// How many calls were refused.
    pub refused: u64,
}

// ===== impl Spending =====

impl<B: Store> Spending<B> {
    pub(super) fn snapshots<C: Cell>(
        &self,
        holder: &Holder<'_, C>,
        wall: u64,
    ) -> Vec<SpendSnapshot> {
        let both = self.terms.iter().zip(holder.accounts).enumerate();
        both.map(|(index, (terms, account))| {
            let seen = account.look(wall);
            let spent = seen.spent.min(seen.taken);
            let limit = holder.limit(index, terms);
            let end = seen.end.filter(|end| !Admitted::is_forever(*end));
            SpendSnapshot {
                spent,
                reserved: seen.taken - spent,
                left: limit.saturating_sub(seen.taken),
                until: end.and_then(moment),
                ends_in: end.map(|end| Duration::from_nanos(end - wall)),
                ..SpendSnapshot::untouched(terms, limit)
            }
        })
        .collect()
    }

    /// Of a key that nobody has seen.
    pub(super) fn untouched(&self) -> Vec<SpendSnapshot> {
        let each = self.terms.iter();
        each.map(|terms| SpendSnapshot::untouched(terms, terms.limit()))
            .collect()
    }
}

// ===== impl SpendSnapshot =====

impl SpendSnapshot {
    const fn untouched(terms: &Terms, limit: u64) -> Self {
        Self {
            budget: terms.name,
            unit: terms.unit,
            limit,
            spent: 0,
            reserved: 0,
            left: limit,
            until: None,
            ends_in: None,
        }
    }
}
