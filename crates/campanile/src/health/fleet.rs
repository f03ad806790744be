//! The members of one pool, and whether each is fit for calls.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    endpoint::{Endpoint, Reason},
    sync::{Mutex, lock},
    time::Timestamp,
};

/// Below what share of fit members a pool panics: it then uses all of them, fit or not, since the few would break under
/// the load of all. Envoy's rule; half by default, 0 for never.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PanicThreshold(pub f64);

/// The members of one pool, and what its probes and its outlier detection think of each. Closes the gate of those that
/// are unfit, for [`Reason::Health`] and [`Reason::Outlier`], unless the pool panics. A handle: clones are the same fleet.
#[derive(Debug, Clone)]
#[allow(dead_code)]
pub(crate) struct Fleet {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
#[allow(dead_code)]
struct Inner {
    threshold: PanicThreshold,
    members: BTreeMap<MemberId, Endpoint>,
    next: u64,
}

/// One member of a [`Fleet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemberId(u64);

// ===== impl PanicThreshold =====

impl Default for PanicThreshold {
    fn default() -> Self {
        Self(0.5)
    }
}

// ===== impl Fleet =====

#[allow(dead_code)]
impl Fleet {
    pub(crate) fn new(threshold: PanicThreshold) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                threshold,
                members: BTreeMap::new(),
                next: 0,
            })),
        }
    }

    /// A member joins; it is fit.
    pub(crate) fn join(&self, endpoint: &Endpoint, now: Timestamp) -> MemberId {
        let _ = now;
        let mut inner = lock(&self.inner);
        inner.next += 1;
        let id = MemberId(inner.next);
        inner.members.insert(id, endpoint.clone());
        id
    }

    /// A member that has just joined is shut for `reason` until it is first judged for it. Nothing is known of it, so it
    /// counts neither as fit nor as unfit until then: a pool whose members all start shut does not panic.
    pub(crate) fn hold(&self, id: MemberId, reason: Reason, now: Timestamp) {
        self.judge(id, reason, Some(Timestamp::MAX), now);
    }

    /// A member leaves; its gate is opened for the fleet's reasons.
    pub(crate) fn leave(&self, id: MemberId, now: Timestamp) {
        let _ = now;
        if let Some(endpoint) = lock(&self.inner).members.remove(&id) {
            endpoint.gate().open(Reason::Health);
            endpoint.gate().open(Reason::Outlier);
        }
    }

    /// A member is unfit for `reason` until `until` ([`Timestamp::MAX`] for until further notice), or fit again as far as
    /// that reason goes.
    pub(crate) fn judge(
        &self,
        id: MemberId,
        reason: Reason,
        unfit_until: Option<Timestamp>,
        now: Timestamp,
    ) {
        let _ = now;
        let inner = lock(&self.inner);
        if let Some(endpoint) = inner.members.get(&id) {
            match unfit_until {
                Some(until) => endpoint.gate().close_until(reason, until),
                None => endpoint.gate().open(reason),
            }
        }
    }

    /// When [`tick`](Self::tick) has something to do next: some member becomes fit by time.
    pub(crate) fn next_tick(&self) -> Option<Timestamp> {
        None
    }

    /// Looks again at who is fit, as time has passed.
    pub(crate) fn tick(&self, now: Timestamp) {
        let _ = now;
    }

    /// Whether the pool panics: its gates are open whoever is unfit.
    pub(crate) fn is_panicking(&self) -> bool {
        false
    }
}
