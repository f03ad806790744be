use std::{array, fmt};

use crossbeam_utils::CachePadded;

use super::{Absent, Holder, Place, Store};
use crate::{
    spend_limit::{account::Account, config::BUDGETS},
    sync::AtomicU64,
};

/// One account for each budget, for all calls together. Without a lock.
pub struct Single {
    accounts: CachePadded<[Account<AtomicU64>; BUDGETS]>,
    budgets: usize,
}

// ===== impl Single =====

impl Single {
    #[inline(always)]
    fn holder(&self) -> Holder<'_, AtomicU64> {
        Holder {
            place: Place::Own,
            accounts: &self.accounts[..self.budgets],
            limits: None,
        }
    }
}

impl Store for Single {
    type Key = ();
    type Cell = AtomicU64;

    fn make(budgets: usize, _keys: usize, _shares: bool) -> Self {
        Self {
            accounts: CachePadded::new(array::from_fn(|_| Account::default())),
            budgets: budgets.min(BUDGETS),
        }
    }

    #[inline(always)]
    fn visit<R>(
        &self,
        (): &(),
        _place: Option<Place>,
        _absent: Absent,
        look: impl FnOnce(Holder<'_, AtomicU64>) -> R,
    ) -> Option<R> {
        Some(look(self.holder()))
    }

    fn limit(&self, (): &(), _now: u64, _budget: usize, _limit: Option<u64>) -> bool {
        false
    }

    fn each(&self, mut look: impl FnMut(&(), Holder<'_, AtomicU64>)) {
        look(&(), self.holder());
    }

    fn beyond<R>(&self, _look: impl FnOnce(Holder<'_, AtomicU64>) -> R) -> Option<R> {
        None
    }

    fn keys(&self) -> Option<usize> {
        None
    }
}

impl fmt::Debug for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Single")
            .field("budgets", &self.budgets)
            .finish_non_exhaustive()
    }
}
