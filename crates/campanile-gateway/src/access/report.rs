//! What operators see of callers: never a secret, nor its hash.

use std::sync::Arc;

use campanile::{
    concurrency_limit::{ConcurrencyLimitHandle, ConcurrencyLimitSnapshot},
    context::Priority,
    rate_limit::RateLimitSnapshot,
    spend_limit::SpendSnapshot,
};
use serde::Serialize;

use super::Access;

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub(crate) struct KeySnapshot {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// On whose behalf it calls.
    pub(crate) tenant: Arc<str>,
    /// How much its calls matter.
    pub(crate) priority: Priority,
    /// How many calls and tokens it has left, if that is limited.
    pub(crate) rate: Option<RateLimitSnapshot>,
    /// How many calls it has at once, if that is limited.
    pub(crate) concurrency: Option<ConcurrencyLimitSnapshot>,
}

// ===== impl Access =====

impl Access {
    /// The keys, by name.
    pub(crate) fn keys(&self) -> Vec<KeySnapshot> {
        let mut keys: Vec<_> = self
            .keys
            .values()
            .map(|caller| {
                let limits = self.limits.get(&caller.name);
                let concurrency = limits.and_then(|limits| limits.concurrent.as_ref());
                KeySnapshot {
                    name: Arc::clone(&caller.name),
                    tenant: Arc::clone(&caller.tenant),
                    priority: caller.priority,
                    rate: caller.rate.as_ref().map(|rate| rate.snapshot()),
                    concurrency: concurrency.map(ConcurrencyLimitHandle::snapshot),
                }
            })
            .collect();
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        keys
    }

    /// The budgets of each tenant that has any, by name.
    pub(crate) fn budgets(&self) -> Vec<(Arc<str>, Vec<SpendSnapshot>)> {
        self.budgets.snapshots()
    }
}
