//! What the clones of a limited service share: settings, buckets, gates.

use std::{array, fmt, task::Waker};

use super::{
    Oversize, RateLimitConfig, Unit,
    buckets::{Moment, Place, Single, Store},
    gates::Gates,
    meters::{Meters, Settings},
    state::{Amounts, Asked, Gauges, Line, Order, Rank, UNITS, bucket},
};
use crate::{
    context::Priority,
    cost::Cost,
    rejection::{Rejection, RejectionKind},
    sync::AtomicU64,
    time::{Timestamp, nanos},
};

mod lacking;
mod learning;

/// The name that rejections carry.
const LAYER: &str = "rate_limit";

pub(super) struct Limiter<B> {
    pub(super) meters: Meters,
    pub(super) buckets: B,
    pub(super) gates: Gates,
    pub(super) config: RateLimitConfig,
    oversize: bool,
    /// The limits that the upstream reported last, so that the same is not looked at twice.
    reported: [AtomicU64; UNITS],
    /// The longest that it is parked because its upstream says so, in nanoseconds.
    max_park: AtomicU64,
}

/// A call that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    pub(super) place: Place,
    pub(super) rank: Rank,
    pub(super) cost: Amounts,
    /// When it gives up.
    pub(super) until: Timestamp,
}

/// What becomes of a call that did not find enough.
pub(super) enum Verdict {
    /// There is enough after all.
    Admitted(Place),
    Waits(Queued),
    Refused(Rejection),
}

/// What becomes of a call that waits.
pub(super) enum Turn {
    Admitted,
    /// It waits on, till then at the latest.
    Waits(Timestamp),
    Refused(Rejection),
}

// ===== impl Limiter =====

impl<B> Limiter<B> {
    pub(super) fn new(config: RateLimitConfig) -> Self
    where
        B: Store,
    {
        Self {
            meters: Meters::new(config.limits()),
            buckets: B::make(config.max_keys),
            gates: Gates::default(),
            oversize: config.oversize == Oversize::Debt,
            max_park: AtomicU64::new(
                config
                    .learn
                    .as_ref()
                    .map_or(0, |learn| nanos(learn.max_park)),
            ),
            config,
            reported: array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    fn moment(&self, now: Timestamp) -> Moment {
        Moment {
            gauges: self.meters.gauges(),
            now,
        }
    }
}

impl<B: Store> Limiter<B> {
    /// Takes what a call takes, if it is there and nobody waits, whoever it is.
    #[inline]
    pub(super) fn take(&self, key: &B::Key, cost: &Amounts, now: Timestamp) -> Option<Place> {
        let order = self.order(cost, now);
        let (place, empty) = self.buckets.take(key, &self.meters, &order)?;
        if empty {
            self.settled();
        }
        Some(place)
    }

    #[inline]
    fn order<'a>(&'a self, cost: &'a Amounts, now: Timestamp) -> Order<'a> {
        Order {
            cost,
            least: self.meters.least(),
            oversize: self.oversize,
            now,
        }
    }

    /// Lets a call wait for which there is not enough, or refuses it. Where too many wait already, the last of those that
    /// matter least makes room for a call that matters more.
    #[cold]
    pub(super) fn turn_away(
        &self,
        key: &B::Key,
        cost: &Amounts,
        priority: Priority,
        deadline: Option<Timestamp>,
        now: Timestamp,
    ) -> Verdict {
        let moment = self.moment(now);
        let gauges = &moment.gauges;
        if !self.oversize && bucket::exceeds(gauges, cost) {
            // No `retry_after`: it would never succeed.
            return Verdict::Refused(Rejection::new(RejectionKind::RateLimited, LAYER));
        }
        let most = now.after(self.config.max_wait);
        let until = deadline.map_or(most, |deadline| deadline.min(most));
        let (verdict, empty, displaced) =
            self.buckets
                .visit(key, None, &moment, |place, cells, queue| {
                    let line = queue.as_mut();
                    // Something may have been given back since, or it is enough for this one and not for those behind it.
                    if line.as_ref().is_none_or(|line| line.is_first(priority))
                        && let Some(empty) = bucket::take(cells, gauges, &self.order(cost, now))
                    {
                        return (Verdict::Admitted(place), empty, None);
                    }
                    let ahead = line
                        .as_ref()
                        .map_or([0; UNITS], |line| line.ahead(priority));
                    let at = bucket::when(cells, gauges, cost, &ahead, now);
                    let refused = || (Verdict::Refused(refusal(at, now)), false, None);
                    if until <= now || at > until {
                        return refused();
                    }
                    let mut displaced = None;
                    if line.as_ref().map_or(0, |line| line.len()) >= self.config.max_waiting {
                        let Some(left) = line.and_then(|line| line.displace(priority)) else {
                            return refused();
                        };
                        displaced = left;
                    }
                    let line = queue.get_or_insert_with(|| Box::new(Line::default()));
                    let queued = Queued {
                        place,
                        rank: line.join(*cost, priority, now),
                        cost: *cost,
                        until,
                    };
                    (Verdict::Waits(queued), false, displaced)
                });
        if let Some(displaced) = displaced {
            displaced.wake();
        }
        if empty {
            self.settled();
        }
        verdict
    }

    /// Looks whether it is the turn of a call that waits.
    pub(super) fn advance(
        &self,
        key: &B::Key,
        queued: &Queued,
        now: Timestamp,
        waker: &Waker,
    ) -> Turn {
        let moment = self.moment(now);
        let gauges = &moment.gauges;
        let visited = self
            .buckets
            .visit(key, Some(queued.place), &moment, |_, cells, queue| {
                let refused = |ahead: &Amounts| {
                    let at = bucket::when(cells, gauges, &queued.cost, ahead, now);
                    Turn::Refused(refusal(at, now))
                };
                let Some(line) = queue else {
                    // Those before whom it was displaced have gone since.
                    return (refused(&[0; UNITS]), None);
                };
                let (rank, priority) = (queued.rank, queued.rank.priority);
                let (turn, next) = match line.advance(rank, cells, gauges, now, waker) {
                    Asked::Goes(next) => (Turn::Admitted, next),
                    // Known now: no need to wait for the end of its patience.
                    Asked::Waits(Some(at)) if at > queued.until => {
                        (Turn::Refused(refusal(at, now)), line.leave(rank))
                    }
                    Asked::Waits(_) if now >= queued.until => {
                        let next = line.leave(rank);
                        (refused(&line.ahead(priority)), next)
                    }
                    Asked::Waits(at) => (Turn::Waits(at.unwrap_or(queued.until)), None),
                    Asked::Displaced => (refused(&line.ahead(priority)), None),
                };
                if line.is_empty() {
                    *queue = None;
                }
                (turn, next)
            });
        let (turn, next) = visited;
        if let Some(next) = next {
            next.wake();
        }
        if !matches!(turn, Turn::Waits(_)) {
            self.settled();
        }
        turn
    }

    /// A call waits no longer.
    pub(super) fn leave(&self, key: &B::Key, queued: &Queued, now: Timestamp) {
        let moment = self.moment(now);
        let next = self
            .buckets
            .visit(key, Some(queued.place), &moment, |_, _, queue| {
                let line = queue.as_mut()?;
                let next = line.leave(queued.rank);
                if line.is_empty() {
                    *queue = None;
                }
                next
            });
        if let Some(next) = next {
            next.wake();
        }
        self.settled();
    }

    /// Settles a call: some is given back, some is charged.
    pub(super) fn settle(&self, key: &B::Key, place: Place, back: &Amounts, more: &Amounts) {
        if more.iter().any(|more| *more != 0) {
            let now = Timestamp::now();
            let moment = self.moment(now);
            self.buckets.touch(key, place, Some(&moment), |cells| {
                for (unit, gauge) in moment.gauges.iter().enumerate() {
                    bucket::give_back(cells, unit, back[unit]);
                    if let Some(gauge) = gauge
                        && more[unit] != 0
                    {
                        bucket::charge(cells, unit, gauge, more[unit], now);
                    }
                }
            });
            self.settled();
        } else {
            // A bucket that has been forgotten was full.
            self.buckets.touch(key, place, None, |cells| {
                for (unit, back) in back.iter().enumerate() {
                    bucket::give_back(cells, unit, *back);
                }
            });
            if self.gates.is_closed() {
                self.settled();
            }
        }
        self.buckets.wake(key, place);
    }

    /// Changes the settings while running.
    pub(super) fn set<T>(&self, now: Timestamp, change: impl FnOnce(&mut Settings) -> T) -> T {
        let changed = self.meters.change(now, change);
        self.buckets.wake_all();
        self.settled();
        changed
    }

    /// Something was taken, given back or set: the gates may have to close or open.
    #[inline]
    pub(super) fn settled(&self) {
        if self.gates.are_watched() {
            self.gates.update(|now| self.next_call(now));
        }
    }

    /// When the least call would be admitted. Of a limiter without keys: gates belong to nobody else.
    pub(super) fn next_call(&self, now: Timestamp) -> Timestamp {
        let moment = self.moment(now);
        let Some(cells) = self.buckets.whole() else {
            return now;
        };
        bucket::when(cells, &moment.gauges, self.meters.least(), &[0; UNITS], now)
    }

    /// A cost in parts.
    #[inline]
    pub(super) fn parts(&self, cost: &Cost) -> Amounts {
        self.meters.parts(cost)
    }
}

impl Limiter<Single> {
    /// What is left of a unit, in units; below 0 where it owes.
    pub(super) fn left(&self, unit: Unit, now: Timestamp) -> Option<f64> {
        let gauges: Gauges = self.meters.gauges();
        let index = unit.index();
        let gauge = gauges[index].as_ref()?;
        let owed = bucket::owed_in(self.buckets.cells(), index, gauge, now);
        let units = |parts| self.meters.units(index, parts);
        Some(units(gauge.burst) - units(owed))
    }

    /// Until when it is parked, if it is.
    pub(super) fn parked(&self, now: Timestamp) -> Option<Timestamp> {
        Some(bucket::parked(self.buckets.cells())).filter(|until| *until > now)
    }
}

impl<B: fmt::Debug> fmt::Debug for Limiter<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("meters", &self.meters)
            .field("buckets", &self.buckets)
            .finish_non_exhaustive()
    }
}

fn refusal(at: Timestamp, now: Timestamp) -> Rejection {
    Rejection::new(RejectionKind::RateLimited, LAYER).with_retry_after(at.since(now))
}
