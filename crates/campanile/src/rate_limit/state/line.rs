use std::{
    collections::BTreeMap,
    // Of the standard library under loom as well: its atomics cannot be static, and nothing rests on the order of these.
    sync::atomic::{AtomicU64, Ordering},
    task::Waker,
};

use super::{Amounts, Cells, Gauges, UNITS, bucket};
use crate::{context::Priority, time::Timestamp};

/// The calls that wait for one bucket: by priority, and first come, first served within one. Only the first has a time;
/// whoever leaves wakes the next, so that a call that goes wakes one and not all, and a call that gives up brings all behind
/// it forward. A first one that is overtaken finds that out when its time comes, and is woken when it is the first again.
#[derive(Debug, Default)]
pub struct Line {
    waiting: BTreeMap<Rank, Waiting>,
    /// What those who wait will take, by priority.
    ahead: [Amounts; PRIORITIES],
}

/// Where a call stands in a line: who matters more stands before who came earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) priority: Priority,
    arrival: u64,
}

#[derive(Debug)]
struct Waiting {
    cost: Amounts,
    since: Timestamp,
    waker: Option<Waker>,
}

/// What becomes of a call that asks for its turn.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It has taken what it waits for, and left; whom to wake.
    Goes(Option<Waker>),
    /// It waits on, and comes again then if it is the first.
    Waits(Option<Timestamp>),
    /// Its place was given to a call that matters more.
    Displaced,
}

/// How many priorities there are.
const PRIORITIES: usize = Priority::Sheddable as usize + 1;

// ===== impl Line =====

impl Line {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether a call of this priority would be the first.
    pub(crate) fn is_first(&self, priority: Priority) -> bool {
        self.waiting
            .first_key_value()
            .is_none_or(|(first, _)| priority < first.priority)
    }

    /// What those who wait will take before a call of this priority that comes now.
    pub(crate) fn ahead(&self, priority: Priority) -> Amounts {
        let mut sum: Amounts = [0; UNITS];
        for amounts in &self.ahead[..=priority as usize] {
            for (sum, amount) in sum.iter_mut().zip(amounts) {
                *sum = sum.saturating_add(*amount);
            }
        }
        sum
    }

    /// Joins behind those that matter as much; returns the place.
    pub(crate) fn join(&mut self, cost: Amounts, priority: Priority, now: Timestamp) -> Rank {
        /// No number is given twice: an empty line is forgotten, and who was displaced there asks for its place in the next.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let arrival = NEXT.fetch_add(1, Ordering::Relaxed);
        let place = Rank { priority, arrival };
        for (ahead, cost) in self.ahead[priority as usize].iter_mut().zip(cost) {
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

    /// Makes the last of those that matter least leave, if they matter less than `priority`; says whether there was one, and
    /// whom to wake.
    pub(crate) fn displace(&mut self, priority: Priority) -> Option<Option<Waker>> {
        let (last, _) = self.waiting.last_key_value()?;
        let last = *last;
        (priority < last.priority).then(|| self.remove(last)?.waker)
    }

    /// Takes what the call of this place waits for, and leaves, if it is first and its time has come. Otherwise keeps
    /// `waker`, and says when to come again if it is first.
    pub(crate) fn advance(
        &mut self,
        place: Rank,
        cells: &(impl Cells + ?Sized),
        gauges: &Gauges,
        now: Timestamp,
        waker: &Waker,
    ) -> Asked {
        let first = self.stands_first(place);
        let Some(waiting) = self.waiting.get_mut(&place) else {
            return Asked::Displaced;
        };
        let at = if first {
            match bucket::take_turn(cells, gauges, &waiting.cost, waiting.since, now) {
                Ok(()) => return Asked::Goes(self.leave(place)),
                Err(at) => Some(at),
            }
        } else {
            None
        };
        match &mut waiting.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        Asked::Waits(at)
    }

    /// Leaves; returns whom to wake.
    pub(crate) fn leave(&mut self, place: Rank) -> Option<Waker> {
        let first = self.stands_first(place);
        self.remove(place)?;
        if first { self.first() } else { None }
    }

    /// The first, to be woken because it may go earlier than it thinks.
    pub(crate) fn first(&mut self) -> Option<Waker> {
        self.waiting.values_mut().next()?.waker.take()
    }

    fn stands_first(&self, place: Rank) -> bool {
        self.waiting
            .first_key_value()
            .is_some_and(|(first, _)| *first == place)
    }

    fn remove(&mut self, place: Rank) -> Option<Waiting> {
        let waiting = self.waiting.remove(&place)?;
        let ahead = &mut self.ahead[place.priority as usize];
        for (ahead, cost) in ahead.iter_mut().zip(waiting.cost) {
            *ahead = ahead.saturating_sub(cost);
        }
        Some(waiting)
    }
}
