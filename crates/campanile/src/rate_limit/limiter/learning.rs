//! What a limiter makes of what its upstream says.

use std::time::Duration;

use super::Limiter;
use crate::{
    outcome::Outcome,
    rate_limit::{
        Learn, Reset, Unit,
        buckets::{Place, Store},
        learn::{Advice, Quota},
        state::bucket,
    },
    sync::Ordering,
    time::{Timestamp, nanos},
};

impl<B: Store> Limiter<B> {
    /// Learns from how a call ended.
    pub(in crate::rate_limit) fn learn(
        &self,
        key: &B::Key,
        place: Place,
        outcome: Outcome,
        begun: Timestamp,
    ) {
        let Some(learn) = &self.config.learn else {
            return;
        };
        match outcome {
            Outcome::Success if self.meters.is_slowed() => self.recover(learn),
            Outcome::Throttled {
                retry_after: Some(after),
            } => self.park(key, place, after.min(self.max_park()), Timestamp::now()),
            Outcome::Throttled { retry_after: None } => self.slow_down(learn, key, place, begun),
            _ => {}
        }
    }

    /// Believes its upstream for so long at most, from now on.
    pub(in crate::rate_limit) fn set_max_park(&self, time: Duration) {
        self.max_park.store(nanos(time), Ordering::Relaxed);
    }

    fn max_park(&self) -> Duration {
        Duration::from_nanos(self.max_park.load(Ordering::Relaxed))
    }

    /// Parks a bucket, unless it is parked for longer.
    pub(in crate::rate_limit) fn park(
        &self,
        key: &B::Key,
        place: Place,
        time: Duration,
        now: Timestamp,
    ) {
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
            self.settled();
        }
    }

    /// Ends a park.
    pub(in crate::rate_limit) fn unpark(&self, key: &B::Key, place: Place, now: Timestamp) {
        self.buckets
            .touch(key, place, None, |cells| bucket::unpark(cells, now));
        self.buckets.wake(key, place);
        self.settled();
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
        self.settled();
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
            self.settled();
        }
    }

    /// Follows what the upstream reports on a response.
    pub(in crate::rate_limit) fn follow(
        &self,
        key: &B::Key,
        place: Place,
        advice: &Advice,
        now: Timestamp,
    ) {
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
            self.park(key, place, time.min(self.max_park()), now);
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
                        self.settled();
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
            self.settled();
        }
    }
}
