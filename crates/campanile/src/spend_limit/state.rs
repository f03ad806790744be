use serde::{Deserialize, Serialize};

use super::{
    account::{Admitted, Cell, LARGEST},
    accounts::{Absent, Holder, Store},
    period::{Period, Window},
    spending::Spending,
    terms::Terms,
    unit::SpendUnit,
};

/// What was spent, to be kept somewhere and told to the next process: see
/// [`SpendLimitHandle::export`](super::SpendLimitHandle::export).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SpendState<K = ()> {
    /// By key; one entry where there are no keys.
    pub keys: Vec<KeyState<K>>,
    /// What those keys have spent together that were beyond [the most](super::SpendLimitConfig::max_keys) that are told apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beyond: Vec<BudgetState>,
}

/// What was spent of one key's budgets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeyState<K> {
    /// The key.
    pub key: K,
    /// Its budgets that have been used in their present period.
    pub budgets: Vec<BudgetState>,
}

/// What was spent of one budget in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BudgetState {
    /// What the budget is called.
    pub budget: String,
    /// What is counted.
    pub unit: SpendUnit,
    /// In which time.
    pub period: Period,
    /// When that begins.
    pub window: Window,
    /// How much: tokens, or nano-dollars. What is reserved for calls under way counts as spent, since nobody can say later
    /// what became of them.
    pub spent: u64,
    /// When the period ends, in nanoseconds since the beginning of 1970, UTC; `None` for never.
    pub until: Option<u64>,
}

// ===== impl Spending =====

impl<B: Store> Spending<B> {
    pub(super) fn export(&self, wall: u64) -> SpendState<B::Key> {
        let mut keys = Vec::new();
        self.accounts.each(|key, holder| {
            let budgets = self.used(&holder, wall);
            if !budgets.is_empty() {
                let key = key.clone();
                keys.push(KeyState { key, budgets });
            }
        });
        let beyond = self.accounts.beyond(|holder| self.used(&holder, wall));
        SpendState {
            keys,
            beyond: beyond.unwrap_or_default(),
        }
    }

    /// The budgets that have been used in their present period.
    fn used<C: Cell>(&self, holder: &Holder<'_, C>, wall: u64) -> Vec<BudgetState> {
        let both = self.terms.iter().zip(holder.accounts);
        both.filter_map(|(terms, account)| {
            let seen = account.look(wall);
            let end = seen.end.filter(|_| seen.taken > 0)?;
            Some(BudgetState {
                budget: terms.name.to_owned(),
                unit: terms.unit,
                period: terms.schedule.period,
                window: terms.schedule.window,
                spent: seen.taken,
                until: (!Admitted::is_forever(end)).then_some(end),
            })
        })
        .collect()
    }

    /// Says how many were imported.
    pub(super) fn import(&self, state: &SpendState<B::Key>, wall: u64) -> usize {
        let mut imported = 0;
        let live = |budgets: &[BudgetState]| -> Vec<_> {
            let live = |budget: &&BudgetState| budget.until.is_none_or(|until| until > wall);
            budgets.iter().filter(live).cloned().collect()
        };
        for KeyState { key, budgets } in &state.keys {
            let live = live(budgets);
            if live.is_empty() {
                continue;
            }
            self.accounts
                .visit(key, None, Absent::Enter(wall), |holder| {
                    for budget in &live {
                        imported += usize::from(self.restore(&holder, budget, wall));
                    }
                });
        }
        self.accounts.beyond(|holder| {
            for budget in &live(&state.beyond) {
                imported += usize::from(self.restore(&holder, budget, wall));
            }
        });
        imported
    }

    fn restore<C: Cell>(&self, holder: &Holder<'_, C>, state: &BudgetState, wall: u64) -> bool {
        let both = self.terms.iter().zip(holder.accounts);
        let Some((terms, account)) = both.into_iter().find(|(terms, _)| terms.is(state)) else {
            return false;
        };
        // One that would end later was written by a clock that was ahead.
        let latest = terms.schedule.end(wall);
        let end = state.until.map_or(latest, |until| until.min(latest));
        account.restore(wall, end);
        account.charge(&terms.schedule, wall, state.spent.min(LARGEST));
        true
    }
}

impl Terms {
    /// Whether this is the budget that it was spent from.
    fn is(&self, state: &BudgetState) -> bool {
        self.name == state.budget
            && self.unit == state.unit
            && self.schedule.period == state.period
            && self.schedule.window == state.window
    }
}
