//! Who is to be checked when. No clock.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use super::{HealthConfig, MemberId, state::HealthState};
use crate::time::Timestamp;

#[cfg(test)]
mod tests;

/// The members in the order of their times: nothing here looks at all of them.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    places: HashMap<MemberId, Place>,
    due: BTreeSet<(Timestamp, MemberId)>,
    late: BTreeSet<(Timestamp, MemberId)>,
    /// Those whose check was due when the cap was used up: who was checked least recently comes first.
    waiting: BTreeSet<(u64, MemberId)>,
}

/// Where a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Its next check is due then.
    Due(Timestamp),
    /// It is being checked, and its time is up then.
    Running(Timestamp),
    /// Its check is due and waits for the cap; its latest had this number.
    Waiting(u64),
}

// ===== impl Schedule =====

impl Schedule {
    pub(super) fn put(&mut self, id: MemberId, place: Place) {
        self.remove(id);
        self.places.insert(id, place);
        match place {
            Place::Due(at) => self.due.insert((at, id)),
            Place::Running(until) => self.late.insert((until, id)),
            Place::Waiting(number) => self.waiting.insert((number, id)),
        };
    }

    pub(super) fn remove(&mut self, id: MemberId) {
        match self.places.remove(&id) {
            Some(Place::Due(at)) => self.due.remove(&(at, id)),
            Some(Place::Running(until)) => self.late.remove(&(until, id)),
            Some(Place::Waiting(number)) => self.waiting.remove(&(number, id)),
            None => false,
        };
    }

    pub(super) fn place(&self, id: MemberId) -> Option<Place> {
        self.places.get(&id).copied()
    }

    /// The member whose check has been due for longest. It keeps its place.
    pub(super) fn first_due(&self, now: Timestamp) -> Option<MemberId> {
        first(&self.due, now)
    }

    /// A member whose check has taken too long. It keeps its place.
    pub(super) fn first_late(&self, now: Timestamp) -> Option<MemberId> {
        first(&self.late, now)
    }

    /// The member that waits for the cap and was checked least recently. It keeps its place.
    pub(super) fn first_waiting(&self) -> Option<MemberId> {
        self.waiting.first().map(|(_, id)| *id)
    }

    /// When there is something to do next. Nothing can begin unless `free`, and those that wait not before `cap_free_at`.
    pub(super) fn next(&self, free: bool, cap_free_at: Timestamp) -> Option<Timestamp> {
        let at = |list: &BTreeSet<(Timestamp, MemberId)>| list.first().map(|(at, _)| *at);
        let waiting = (!self.waiting.is_empty()).then_some(cap_free_at);
        let begin = at(&self.due).into_iter().chain(waiting).min();
        at(&self.late)
            .into_iter()
            .chain(begin.filter(|_| free))
            .min()
    }
}

fn first(list: &BTreeSet<(Timestamp, MemberId)>, now: Timestamp) -> Option<MemberId> {
    let (at, id) = list.first()?;
    (*at <= now).then_some(*id)
}

/// From the begin of a check to the begin of the next. `chance` is a random number from 0 to 1.
pub(super) fn interval(
    config: &HealthConfig,
    state: HealthState,
    first: bool,
    chance: f64,
) -> Duration {
    let whole = match state {
        HealthState::Unhealthy => config.unhealthy_interval,
        HealthState::Unknown | HealthState::Healthy => config.interval,
    };
    if config.jitter == 0.0 {
        return whole;
    }
    let share = if first {
        chance
    } else {
        1.0 + config.jitter * (2.0 * chance - 1.0)
    };
    let seconds = whole.as_secs_f64() * share;
    Duration::try_from_secs_f64(seconds).unwrap_or(whole)
}
