use std::{collections::BTreeMap, sync::Arc};

use campanile::{
    config::Invalid,
    spend_limit::{SpendLimitConfig, SpendLimitHandle, SpendSnapshot},
};

use crate::{
    build::{BuildError, spending},
    config::KeyConfig,
};

/// The budgets of tenants: keys of one tenant pay from the same.
#[derive(Default)]
pub(super) struct Budgets(BTreeMap<Arc<str>, Budget>);

struct Budget {
    config: SpendLimitConfig,
    handle: SpendLimitHandle,
}

// ===== impl Budgets =====

impl Budgets {
    /// Those of a key, for its tenant.
    ///
    /// # Errors
    ///
    /// When they cannot be, or another key of the tenant says something else.
    pub(super) fn add(&mut self, tenant: &Arc<str>, key: &KeyConfig) -> Result<(), BuildError> {
        if key.budgets.is_empty() {
            return Ok(());
        }
        let config = spending(&key.budgets);
        match self.0.get(tenant) {
            Some(known) => {
                let rule = "keys of one tenant share their budgets, and write the same";
                let same = known.config == config;
                Invalid::unless(same, "keys", "budgets", tenant, rule)?;
            }
            None => {
                let handle = SpendLimitHandle::new(config.clone())?;
                self.0.insert(Arc::clone(tenant), Budget { config, handle });
            }
        }
        Ok(())
    }

    /// What is spent and left, by tenant.
    pub(super) fn snapshots(&self) -> Vec<(Arc<str>, Vec<SpendSnapshot>)> {
        let budgets = self.0.iter();
        budgets
            .map(|(tenant, budget)| (Arc::clone(tenant), budget.handle.snapshot()))
            .collect()
    }

    pub(super) fn of(&self, tenant: &str) -> Option<&SpendLimitHandle> {
        self.0.get(tenant).map(|budget| &budget.handle)
    }

    /// Goes on with what was spent before. Where only limits are others the budgets are the same, with what is reserved in
    /// them; otherwise what was spent is taken over by budgets of the same name, unit and period.
    pub(super) fn follow(&mut self, before: &Self) {
        for (tenant, budget) in &mut self.0 {
            let Some(past) = before.0.get(tenant) else {
                continue;
            };
            if budget.is_moved(past) {
                budget.handle = past.handle.clone();
            } else {
                budget.handle.import(&past.handle.export());
            }
        }
    }
}

// ===== impl Budget =====

impl Budget {
    /// Moves the limits of `past` to where they are here, if nothing else is another.
    fn is_moved(&self, past: &Self) -> bool {
        let mut like_this = past.config.clone();
        if like_this.budgets.len() != self.config.budgets.len() {
            return false;
        }
        for (budget, here) in like_this.budgets.iter_mut().zip(&self.config.budgets) {
            budget.limit = here.limit;
        }
        like_this == self.config
            && self
                .config
                .budgets
                .iter()
                .all(|budget| past.handle.set_limit(&budget.name(), budget.limit).is_ok())
    }
}
