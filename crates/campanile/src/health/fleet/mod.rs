//! The members of one pool, and whether each is fit for calls.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use self::state::{Aside, Change, REASONS, State};
use crate::{
    endpoint::{Endpoint, Reason},
    sync::{Mutex, MutexGuard, lock},
    time::Timestamp,
};

mod state;
#[cfg(test)]
mod tests;

/// While members are unfit, how often a fleet looks who has been taken out of service, as nobody tells it.
const LOOK: Duration = Duration::from_secs(1);

/// Below what share of fit members a pool panics: it then uses all of them, fit or not, since the few would break under
/// the load of all. Envoy's rule; half by default, 0 for never.
///
/// A member is fit unless it is unhealthy or ejected. One that an operator has switched off, or that is leaving, counts
/// neither way: of ten members of which eight are switched off, the share is that of the other two. What else closes a
/// gate, a breaker or a quota, is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PanicThreshold(pub f64);

/// The members of one pool, and what its probes and its outlier detection think of each. Closes the gate of those that
/// are unfit, for [`Reason::Health`] and [`Reason::Outlier`], unless the pool panics. A handle: clones are the same fleet.
///
/// Nobody else writes these reasons, but for the fleets of other pools over the same roster: what one of them opens another
/// that still finds it unfit closes again within a second. Joining, leaving and judging take `O(log n)`, and a panic that
/// begins or ends a look at every member. While some are unfit, [`tick`](Self::tick) counts once a second who is in service.
#[derive(Debug, Clone)]
pub(crate) struct Fleet {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    endpoints: HashMap<MemberId, Endpoint>,
    next: u64,
    next_look: Timestamp,
}

/// One member of a [`Fleet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemberId(pub(super) u64);

/// How fit a fleet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fitness {
    /// All members.
    pub(crate) members: usize,
    /// Those that are in service: no operator has switched them off, and they are not leaving.
    pub(crate) counted: usize,
    /// Those in service that are fit, or have yet to be judged.
    pub(crate) fit: usize,
    /// Whether all are used, fit or not.
    pub(crate) panicking: bool,
    /// How often that has begun.
    pub(crate) panics: u64,
}

// ===== impl PanicThreshold =====

impl Default for PanicThreshold {
    fn default() -> Self {
        Self(0.5)
    }
}

// ===== impl Fleet =====

impl Fleet {
    pub(crate) fn new(threshold: PanicThreshold) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                state: State::new(threshold),
                endpoints: HashMap::new(),
                next: 0,
                next_look: Timestamp::ZERO,
            })),
        }
    }

    /// A member joins; it is fit.
    pub(crate) fn join(&self, endpoint: &Endpoint, now: Timestamp) -> MemberId {
        let mut inner = lock(&self.inner);
        inner.next += 1;
        let id = MemberId(inner.next);
        inner.endpoints.insert(id, endpoint.clone());
        change(inner, now, |state, aside, changes| {
            state.join(id, aside, changes);
        });
        id
    }

    /// A member that has just joined is shut for `reason` until it is first judged for it. Nothing is known of it, so it is
    /// taken to be fit until then: a pool whose members all start shut does not panic, and opens them only if too many of
    /// the others are unfit.
    pub(crate) fn hold(&self, id: MemberId, reason: Reason, now: Timestamp) {
        change(lock(&self.inner), now, |state, aside, changes| {
            state.hold(id, reason, aside, changes);
        });
    }

    /// A member leaves; its gate is opened as far as this fleet has closed it. Another pool's fleet may have closed it too,
    /// and does so again when it next looks.
    pub(crate) fn leave(&self, id: MemberId, now: Timestamp) {
        let mut inner = lock(&self.inner);
        let left = inner.endpoints.remove(&id);
        let mut closed = [false; REASONS.len()];
        change(inner, now, |state, aside, changes| {
            closed = state.leave(id, aside, changes);
        });
        let Some(endpoint) = left else {
            return;
        };
        for (reason, closed) in REASONS.into_iter().zip(closed) {
            if closed {
                endpoint.gate().open(reason);
            }
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
        let unfit_until = unfit_until.filter(|until| *until > now);
        change(lock(&self.inner), now, |state, aside, changes| {
            state.judge(id, reason, unfit_until, aside, changes);
        });
    }

    /// When [`tick`](Self::tick) has something to do next: some member becomes fit by time, or it has to look who is in
    /// service.
    pub(crate) fn next_tick(&self) -> Option<Timestamp> {
        let inner = lock(&self.inner);
        let look = inner.state.has_shut().then_some(inner.next_look);
        inner.state.first_end().into_iter().chain(look).min()
    }

    /// Looks again at who is fit, as time has passed.
    pub(crate) fn tick(&self, now: Timestamp) {
        let mut inner = lock(&self.inner);
        let looks = now >= inner.next_look && inner.state.has_shut();
        if looks {
            inner.next_look = now.after(LOOK);
        }
        change(inner, now, |state, aside, changes| {
            state.expire(now, aside, changes);
            if looks {
                state.look(aside, changes);
                state.repeat(changes);
            }
        });
    }

    /// Whether the pool panics: its gates are open whoever is unfit.
    pub(crate) fn is_panicking(&self) -> bool {
        self.fitness().panicking
    }

    /// How fit it is.
    pub(crate) fn fitness(&self) -> Fitness {
        lock(&self.inner).state.fitness()
    }
}

/// Changes the verdicts and writes the gates, under the lock, so that they never disagree; then says what happened.
fn change(
    mut guard: MutexGuard<'_, Inner>,
    now: Timestamp,
    change: impl FnOnce(&mut State, Aside<'_>, &mut Vec<Change>),
) {
    let inner = &mut *guard;
    let endpoints = &inner.endpoints;
    let aside = |id| {
        endpoints
            .get(&id)
            .is_some_and(|endpoint| is_aside(endpoint, now))
    };
    let mut changes = Vec::new();
    let before = inner.state.fitness();
    change(&mut inner.state, &aside, &mut changes);
    let after = inner.state.fitness();
    let mut to_notify = Vec::new();
    for Change { id, reason, until } in changes {
        let Some(endpoint) = inner.endpoints.get(&id) else {
            continue;
        };
        let gate = endpoint.gate();
        let notify = match until {
            // As almost always when it is closed once more.
            Some(until) if gate.reasons(now).any(|held| held == (reason, until)) => false,
            Some(until) => gate.close_quietly(reason, until),
            None => gate.open_quietly(reason),
        };
        if notify {
            to_notify.push(endpoint.clone());
        }
    }
    drop(guard);
    // Wakers and subscribers may run anything: outside of the lock.
    for endpoint in to_notify {
        endpoint.notify();
    }
    after.tell(before);
}

// ===== impl Fitness =====

impl Fitness {
    fn tell(self, before: Self) {
        let Self { counted, fit, .. } = self;
        if self.panicking && !before.panicking {
            tracing::warn!(fit, of = counted, "too few members are fit: all are used");
        }
        if before.panicking && !self.panicking {
            tracing::info!(
                fit,
                of = counted,
                "enough members are fit: the others are not used"
            );
        }
    }
}

/// Whether an operator has taken it out of service, or it is leaving.
fn is_aside(endpoint: &Endpoint, now: Timestamp) -> bool {
    [Reason::Disabled, Reason::Draining, Reason::Removed]
        .into_iter()
        .any(|reason| endpoint.gate().is_closed_for(reason, now))
}
