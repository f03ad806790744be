use std::{collections::BTreeMap, task::Waker};

use super::{Amounts, Cells, Gauges, bucket};
use crate::time::Timestamp;

/// The calls that wait for one bucket, first come, first served. Only the first has a time; whoever leaves wakes the
/// next, so that a call that goes wakes one and not all, and a call that gives up brings all behind it forward.
#[derive(Debug, Default)]
pub struct Line {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// What those who wait will take.
    ahead: Amounts,
}

#[derive(Debug)]
struct Waiting {
    cost: Amounts,
    since: Timestamp,
    waker: Option<Waker>,
}

// ===== impl Line =====

impl Line {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What those who wait will take.
    pub(crate) const fn ahead(&self) -> &Amounts {
        &self.ahead
    }

    /// Joins at the end; returns the place.
    pub(crate) fn join(&mut self, cost: Amounts, now: Timestamp) -> u64 {
        let place = self.next;
        self.next += 1;
        for (ahead, cost) in self.ahead.iter_mut().zip(cost) {
            *ahead = ahead.saturating_add(cost);
        }
        self.waiting.insert(
            place,
            Waiting {
                cost,
                since: now,
                waker: None,
            },
        );
        place
    }

    /// Takes what the call of this place waits for, and leaves, if it is first and its time has come. Otherwise keeps
    /// `waker`, and says when to come again if it is first.
    pub(crate) fn advance(
        &mut self,
        place: u64,
        cells: &(impl Cells + ?Sized),
        gauges: &Gauges,
        now: Timestamp,
        waker: &Waker,
    ) -> Result<Option<Waker>, Option<Timestamp>> {
        let first = self.waiting.keys().next() == Some(&place);
        let Some(waiting) = self.waiting.get_mut(&place) else {
            return Err(None);
        };
        let at = if first {
            match bucket::take_turn(cells, gauges, &waiting.cost, waiting.since, now) {
                Ok(()) => return Ok(self.leave(place)),
                Err(at) => Some(at),
            }
        } else {
            None
        };
        match &mut waiting.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        Err(at)
    }

    /// Leaves; returns whom to wake.
    pub(crate) fn leave(&mut self, place: u64) -> Option<Waker> {
        let first = self.waiting.keys().next() == Some(&place);
        let waiting = self.waiting.remove(&place)?;
        for (ahead, cost) in self.ahead.iter_mut().zip(waiting.cost) {
            *ahead = ahead.saturating_sub(cost);
        }
        if first { self.first() } else { None }
    }

    /// The first, to be woken because it may go earlier than it thinks.
    pub(crate) fn first(&mut self) -> Option<Waker> {
        self.waiting.values_mut().next()?.waker.take()
    }
}
