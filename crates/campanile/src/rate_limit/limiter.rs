//! What the clones of a limited service share: settings, buckets, gates.

use std::{array, fmt, task::Waker, time::Duration};

use super::{
    Learn, Oversize, RateLimitConfig, Reset, Unit,
    buckets::{Moment, Place, Single, Store},
    gates::Gates,
    learn::{Advice, Quota},
    meters::{Meters, Settings},
    state::{Amounts, Gauges, Line, Order, UNITS, bucket},
};
use crate::{
    cost::Cost,
    outcome::Outcome,
    rejection::{Rejection, RejectionKind},
    sync::{AtomicU64, Ordering},
    time::Timestamp,
};

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
}

/// A call that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    pub(super) place: Place,
    pub(super) number: u64,
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
    /// Takes what a call takes, if it is there and nobody waits for it.
    #[inline]
    pub(super) fn take(&self, key: &B::Key, cost: &Amounts, now: Timestamp) -> Option<Place> {
        let order = self.order(cost, now);
        let (place, empty) = self.buckets.take(key, &self.meters, &order)?;
        if empty {
            self.settled(now);
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

    /// Lets a call wait for which there is not enough, or refuses it.
    #[cold]
    pub(super) fn turn_away(
        &self,
        key: &B::Key,
        cost: &Amounts,
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
        let (verdict, empty) = self
            .buckets
            .visit(key, None, &moment, |place, cells, queue| {
                let at = if let Some(line) = queue {
                    bucket::when(cells, gauges, cost, line.ahead(), now)
                } else {
                    // Something may have been given back since.
                    if let Some(empty) = bucket::take(cells, gauges, &self.order(cost, now)) {
                        return (Verdict::Admitted(place), empty);
                    }
                    bucket::when(cells, gauges, cost, &[0; UNITS], now)
                };
                let waiting = queue.as_ref().map_or(0, |line| line.len());
                let verdict = if until <= now || at > until || waiting >= self.config.max_waiting {
                    Verdict::Refused(refusal(at, now))
                } else {
                    Verdict::Waits(Queued {
                        place,
                        number: queue
                            .get_or_insert_with(|| Box::new(Line::default()))
                            .join(*cost, now),
                        cost: *cost,
                        until,
                    })
                };
                (verdict, false)
            });
        if empty {
            self.settled(now);
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
                let Some(line) = queue else {
                    return (Turn::Waits(queued.until), None);
                };
                let (turn, next) = match line.advance(queued.number, cells, gauges, now, waker) {
                    Ok(next) => (Turn::Admitted, next),
                    // Known now: no need to wait for the end of its patience.
                    Err(Some(at)) if at > queued.until => {
                        let next = line.leave(queued.number);
                        (Turn::Refused(refusal(at, now)), next)
                    }
                    Err(_) if now >= queued.until => {
                        let next = line.leave(queued.number);
                        let at = bucket::when(cells, gauges, &queued.cost, line.ahead(), now);
                        (Turn::Refused(refusal(at, now)), next)
                    }
                    Err(at) => (Turn::Waits(at.unwrap_or(queued.until)), None),
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
            self.settled(now);
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
                let next = line.leave(queued.number);
                if line.is_empty() {
                    *queue = None;
                }
                next
            });
        if let Some(next) = next {
            next.wake();
        }
        self.settled(now);
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
            self.settled(now);
        } else {
            // A bucket that has been forgotten was full.
            self.buckets.touch(key, place, None, |cells| {
                for (unit, back) in back.iter().enumerate() {
                    bucket::give_back(cells, unit, *back);
                }
            });
            if self.gates.is_closed() {
                self.settled(Timestamp::now());
            }
        }
        self.buckets.wake(key, place);
    }

    /// Learns from how a call ended.
    pub(super) fn learn(&self, key: &B::Key, place: Place, outcome: Outcome, begun: Timestamp) {
        let Some(learn) = &self.config.learn else {
            return;
        };
        match outcome {
            Outcome::Success if self.meters.is_slowed() => self.recover(learn),
            Outcome::Throttled {
                retry_after: Some(after),
            } => self.park(key, place, after.min(learn.max_park), Timestamp::now()),
            Outcome::Throttled { retry_after: None } => self.slow_down(learn, key, place, begun),
            _ => {}
        }
    }

    /// Parks a bucket, unless it is parked for longer.
    pub(super) fn park(&self, key: &B::Key, place: Place, time: Duration, now: Timestamp) {
        let until = now.after(time);
        let moment = self.moment(now);
        let mut parked = false;
        self.buckets.touch(key, place, Some(&moment), |cells| {
            parked = bucket::park(cells, until);
        });
        if parked {
            tracing::info!(?time, "rate limit: parked");
            // The first in the queue may give up at once.
            self.buckets.wake(key, place);
            self.settled(now);
        }
    }

    /// Ends a park.
    pub(super) fn unpark(&self, key: &B::Key, place: Place, now: Timestamp) {
        self.buckets
            .touch(key, place, None, |cells| bucket::unpark(cells, now));
        self.buckets.wake(key, place);
        self.settled(now);
    }

    /// The upstream throttles, and does not say for how long.
    fn slow_down(&self, learn: &Learn, key: &B::Key, place: Place, begun: Timestamp) {
        let now = Timestamp::now();
        let moment = self.moment(now);
        let mut told = false;
        self.buckets.touch(key, place, Some(&moment), |cells| {
            told = bucket::parked(cells) > now;
            if !told {
                // There is nothing left, whatever was thought.
                for (unit, gauge) in moment.gauges.iter().enumerate() {
                    if let Some(gauge) = gauge {
                        bucket::lower(cells, unit, gauge, 0, now);
                    }
                }
            }
        });
        // One key's upstream says nothing of the others'.
        if !told && self.buckets.keys().is_none() {
            let pace = self.meters.change(now, |settings| {
                // Calls that were under way together are throttled together: that is one sign, not many.
                if begun < settings.slowed_at {
                    return None;
                }
                settings.pace = settings.slower(learn.slow_down);
                settings.slowed_at = now;
                Some(settings.pace)
            });
            if let Some(pace) = pace {
                tracing::info!(pace, "rate limit: slowed down");
            }
        }
        self.settled(now);
    }

    fn recover(&self, learn: &Learn) {
        let now = Timestamp::now();
        let pace = self.meters.change(now, |settings| {
            let last = settings.slowed_at.max(settings.quickened_at);
            if settings.pace >= 1.0 || now.since(last) < learn.recover_every {
                return None;
            }
            settings.pace = (settings.pace + learn.recover).min(1.0);
            settings.quickened_at = now;
            Some(settings.pace)
        });
        if let Some(pace) = pace {
            tracing::debug!(pace, "rate limit: recovers");
            self.buckets.wake_all();
            self.settled(now);
        }
    }

    /// Follows what the upstream reports on a response.
    pub(super) fn follow(&self, key: &B::Key, place: Place, advice: &Advice, now: Timestamp) {
        let Some(learn) = &self.config.learn else {
            return;
        };
        let quotas = [
            (Unit::Requests, &advice.requests),
            (Unit::Tokens, &advice.tokens),
        ];
        let mut park = advice.retry_after;
        for (unit, quota) in quotas {
            if let Some(quota) = quota {
                let reset = self.follow_unit(learn, key, place, unit, quota, now);
                park = park.max(reset);
            }
        }
        if let Some(time) = park.filter(|time| !time.is_zero()) {
            self.park(key, place, time.min(learn.max_park), now);
        }
    }

    /// Follows one unit; says for how long to park.
    fn follow_unit(
        &self,
        learn: &Learn,
        key: &B::Key,
        place: Place,
        unit: Unit,
        quota: &Quota,
        now: Timestamp,
    ) -> Option<Duration> {
        let index = unit.index();
        if self.meters.is_limited(index) {
            if let Some(limit) = quota.limit.filter(|limit| *limit > 0) {
                self.follow_limit(learn, unit, limit, now);
            }
            if let Some(remaining) = quota.remaining {
                let moment = self.moment(now);
                if let Some(gauge) = &moment.gauges[index] {
                    let left = self.meters.unit_parts(index, remaining);
                    let mut lowered = false;
                    self.buckets.touch(key, place, Some(&moment), |cells| {
                        lowered = bucket::lower(cells, index, gauge, left, now);
                    });
                    if lowered {
                        self.settled(now);
                    }
                }
            }
        }
        match learn.reset {
            Reset::Window if quota.remaining == Some(0) => quota.reset,
            _ => None,
        }
    }

    /// The upstream's limit is a ceiling of the rate. That of one key says nothing of the others'.
    fn follow_limit(&self, learn: &Learn, unit: Unit, limit: u64, now: Timestamp) {
        let index = unit.index();
        let reported = &self.reported[index];
        if self.buckets.keys().is_some()
            || reported.load(Ordering::Relaxed) == limit
            || reported.swap(limit, Ordering::Relaxed) == limit
        {
            return;
        }
        let changed = self.meters.change(now, |settings| {
            let per = settings.limits[index]?.per;
            let before = settings.rate(index);
            let ceiling = limit as f64 * (per.as_secs_f64() / learn.window.as_secs_f64());
            settings.ceilings[index] = Some(ceiling);
            let rate = settings.rate(index);
            (rate != before).then_some(rate)
        });
        if let Some(rate) = changed {
            tracing::info!(%unit, limit, rate, "rate limit: follows the upstream's");
            self.buckets.wake_all();
            self.settled(now);
        }
    }

    /// Changes the settings while running.
    pub(super) fn set<T>(&self, now: Timestamp, change: impl FnOnce(&mut Settings) -> T) -> T {
        let changed = self.meters.change(now, change);
        self.buckets.wake_all();
        self.settled(now);
        changed
    }

    /// Something was taken, given back or set: the gates may have to close or open.
    #[inline]
    pub(super) fn settled(&self, now: Timestamp) {
        if self.gates.are_watched() {
            self.gates.update(now, || self.next_call(now));
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
