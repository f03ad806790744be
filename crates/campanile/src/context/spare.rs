// The layers that keep one are features.
#![cfg_attr(
    not(any(
        feature = "retry",
        feature = "hedge",
        feature = "spend_limit",
        feature = "trace"
    )),
    allow(dead_code)
)]

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Context, Trail};
use crate::sync::{Ordering, fence};

/// Which calls a layer that may send them more than once gives a [`Trail`] from their first attempt, so that a pool can
/// avoid where they have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum KeepTrail {
    /// Every call whose protocol has a place for it. An HTTP request without a context gets one, which allocates.
    #[default]
    Always,
    /// Calls that carry a context already. Others note later attempts only.
    WithContext,
    /// None.
    Never,
}

/// A trail kept from one call to the next, so that calls which are made one after the other allocate it once. A clone
/// keeps none.
#[derive(Debug, Default)]
pub(crate) struct SpareTrail(pub(super) Option<Trail>);

// ===== impl KeepTrail =====

impl KeepTrail {
    /// Whether a call keeps a trail.
    #[inline]
    pub(crate) fn applies(self, has_context: impl FnOnce() -> bool) -> bool {
        match self {
            Self::Always => true,
            Self::WithContext => has_context(),
            Self::Never => false,
        }
    }
}

// ===== impl SpareTrail =====

impl SpareTrail {
    /// The trail of this call: the one it carries, or else the spare one, or else a new one, which it carries from now
    /// on. `attempts` is how often the call may be sent, unless a layer further out has said so.
    #[cfg_attr(
        not(any(feature = "retry", feature = "hedge", feature = "trace")),
        allow(dead_code)
    )]
    pub(crate) fn lend(&mut self, context: &mut Context, attempts: Option<u32>) -> Trail {
        let trail = context.trail.get_or_insert_with(|| self.take()).clone();
        if let Some(attempts) = attempts {
            trail.limit(attempts);
        }
        trail
    }

    /// A trail that is charged what this call takes, and nothing else: a branch of the one that it carries, or else the
    /// spare one, or else a new one. It carries it from now on.
    #[cfg_attr(not(feature = "spend_limit"), allow(dead_code))]
    pub(crate) fn lend_branch(&mut self, context: &mut Context) -> Trail {
        let trail = match &context.trail {
            // Not kept as the spare one: that would hold on to the other.
            Some(trail) => trail.branch(),
            None => {
                self.forget_payer();
                self.take()
            }
        };
        context.trail = Some(trail.clone());
        trail
    }

    /// Who paid for the last call, that had the spare trail, does not pay for the next. One that somebody still holds is let go:
    /// asked again whether somebody does, the answer may be another.
    #[cfg_attr(not(feature = "spend_limit"), allow(dead_code))]
    #[inline]
    pub(super) fn forget_payer(&mut self) {
        if let Some(spare) = &mut self.0
            && spare.0.payer.get().is_some()
        {
            match Arc::get_mut(&mut spare.0) {
                Some(shared) => drop(shared.payer.take()),
                None => self.0 = None,
            }
        }
    }

    /// The spare trail as if it were new, or else a new one.
    #[inline]
    pub(super) fn take(&mut self) -> Trail {
        // If nobody else holds it, nobody can come to hold it meanwhile. There are no weak handles of trails, so that this
        // need not be asked by a locked operation.
        if let Some(spare) = &self.0
            && Arc::strong_count(&spare.0) == 1
        {
            // Pairs with the letting go of who held it last.
            fence(Ordering::Acquire);
            spare.0.wipe();
            return spare.clone();
        }
        self.0.insert(Trail::new()).clone()
    }
}

impl Clone for SpareTrail {
    fn clone(&self) -> Self {
        Self(None)
    }
}
