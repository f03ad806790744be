//! The members of a pool, as one immutable snapshot.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;

use super::{BalanceConfig, slot::Slot, strategy::Strategy};
use crate::{
    endpoint::{Cell, Cells, Listener, Weight},
    time::Timestamp,
    waiters::Waiters,
};

/// What all clones of a pool share.
pub(super) struct Shared<S, St: Strategy> {
    pub(super) members: Arc<ArcSwap<Members<S, St>>>,
    pub(super) strategy: Arc<St>,
    pub(super) config: BalanceConfig,
    pub(super) listener: Listener,
    /// Calls that wait in a pool larger than their window: woken whenever a call ends.
    pub(super) crowd: Arc<Waiters>,
    pub(super) seed: AtomicU64,
}

/// The members at one moment.
pub(super) struct Members<S, St: Strategy> {
    slots: Box<[Arc<Slot<S, St>>]>,
    table: Table,
    pub(super) version: u64,
    /// The count of changes of weights up to which every weight is known to be 1.
    uniform: Option<u64>,
}

/// Where the cells of the members lie.
enum Table {
    /// Member `i` has slot `i` of one arena: no pointer to follow.
    Dense(Cells),
    /// In one arena, with gaps.
    Sparse(Cells, Box<[u32]>),
    /// Anywhere.
    Scattered,
}

/// When the gates open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reopening {
    /// The first time that is known.
    pub(super) earliest: Option<Timestamp>,
    /// The first time at which a member opens that may open at any time before.
    pub(super) latest: Option<Timestamp>,
    /// Whether some member may be opened, or join, at any time.
    pub(super) any_time: bool,
}

// ===== impl Shared =====

impl<S, St: Strategy> Drop for Shared<S, St> {
    fn drop(&mut self) {
        // The driver sees that nobody is left.
        self.listener.leaving.wake_all();
    }
}

// ===== impl Members =====

impl<S, St: Strategy> Members<S, St> {
    /// `slots` are in the order of their cells.
    pub(super) fn new(slots: Box<[Arc<Slot<S, St>>]>, version: u64, weights: &AtomicU64) -> Self {
        let table = Table::of(&slots);
        // The count before the weights: a change that falls between is then not missed.
        let changes = weights.load(Ordering::SeqCst);
        let uniform = slots
            .iter()
            .all(|slot| slot.member.endpoint.weight() == Weight::ONE)
            .then_some(changes);
        Self {
            uniform,
            slots,
            table,
            version,
        }
    }

    /// Whether every weight is 1, at this count of changes.
    #[inline(always)]
    pub(super) fn is_uniform(&self, weights: u64) -> bool {
        self.uniform == Some(weights)
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline(always)]
    pub(super) fn slot(&self, index: usize) -> &Arc<Slot<S, St>> {
        &self.slots[index]
    }

    pub(super) fn slots(&self) -> &[Arc<Slot<S, St>>] {
        &self.slots
    }

    #[inline(always)]
    pub(super) fn cell(&self, index: usize) -> Cell<'_> {
        match &self.table {
            Table::Dense(cells) => cells.get(index),
            Table::Sparse(cells, slots) => cells.get(slots[index] as usize),
            Table::Scattered => self.slots[index].member.endpoint.cell(),
        }
    }

    /// Whether a member may be picked at `now`, which is read only if it must be.
    #[inline]
    pub(super) fn is_open(&self, index: usize, now: impl FnOnce() -> Timestamp) -> bool {
        !self.cell(index).is_closed() || self.slots[index].member.endpoint.gate().is_open(now())
    }

    /// When the gates open.
    pub(super) fn reopening(&self, now: Timestamp) -> Reopening {
        let mut reopening = Reopening {
            earliest: None,
            latest: None,
            any_time: self.slots.is_empty(),
        };
        for index in 0..self.len() {
            if !self.cell(index).is_closed() {
                continue;
            }
            let gate = self.slots[index].member.endpoint.gate();
            match gate.reopens_at(now) {
                Some(Timestamp::MAX) => reopening.any_time = true,
                Some(at) if gate.may_reopen_earlier(now) => {
                    reopening.any_time = true;
                    reopening.latest =
                        Some(reopening.latest.map_or(at, |earliest| earliest.min(at)));
                }
                Some(at) => {
                    reopening.earliest =
                        Some(reopening.earliest.map_or(at, |earliest| earliest.min(at)));
                }
                None => {}
            }
        }
        reopening
    }

    /// Where a slot stands, most likely at `index`.
    pub(super) fn position(&self, slot: &Arc<Slot<S, St>>, index: usize) -> Option<usize> {
        let there = self
            .slots
            .get(index)
            .is_some_and(|there| Arc::ptr_eq(there, slot));
        if there {
            Some(index)
        } else {
            self.slots.iter().position(|other| Arc::ptr_eq(other, slot))
        }
    }
}

// ===== impl Table =====

impl Table {
    fn of<S, St: Strategy>(slots: &[Arc<Slot<S, St>>]) -> Self {
        let Some(first) = slots.first() else {
            return Self::Scattered;
        };
        let arena = first.member.endpoint.cell_ref().arena();
        let Some(cells) = arena.upgrade().and_then(|arena| arena.cells()) else {
            return Self::Scattered;
        };
        if slots
            .iter()
            .any(|slot| !slot.member.endpoint.cell_ref().arena().ptr_eq(arena))
        {
            return Self::Scattered;
        }
        let slots: Box<[u32]> = slots
            .iter()
            .map(|slot| slot.member.endpoint.cell_ref().slot())
            .collect();
        if slots
            .iter()
            .enumerate()
            .all(|(index, slot)| *slot as usize == index)
        {
            Self::Dense(cells)
        } else {
            Self::Sparse(cells, slots)
        }
    }
}
