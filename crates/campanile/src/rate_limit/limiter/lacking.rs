//! What there was too little of for a call that is refused.

use std::time::Duration;

use super::Limiter;
use crate::{
    rate_limit::{
        Unit,
        buckets::Store,
        state::{Amounts, Cells, Gauges, UNITS, bucket},
    },
    rejection::{Lack, Rejection, Shortage},
    time::Timestamp,
};

impl<B: Store> Limiter<B> {
    /// Says of what there is too little. Of nothing, where a call is refused since too many wait.
    #[cold]
    pub(in crate::rate_limit) fn explain(
        &self,
        rejection: Rejection,
        key: &B::Key,
        cost: &Amounts,
        now: Timestamp,
    ) -> Rejection {
        let moment = self.moment(now);
        let gauges = &moment.gauges;
        let shortage = self.too_large(gauges, cost).or_else(|| {
            self.buckets.visit(key, None, &moment, |_, cells, _| {
                self.used_up(cells, gauges, cost, now)
            })
        });
        shortage.map_or(rejection, |shortage| rejection.with_shortage(shortage))
    }

    /// Of what a call takes more than there ever is.
    fn too_large(&self, gauges: &Gauges, cost: &Amounts) -> Option<Shortage> {
        if self.oversize {
            return None;
        }
        gauges.iter().enumerate().find_map(|(unit, gauge)| {
            let most = gauge.as_ref()?.burst;
            let shortage = || self.shortage(gauges, unit, cost, most, Lack::TooLarge);
            (cost[unit] > most).then(shortage)
        })
    }

    /// What is missing longest.
    fn used_up(
        &self,
        cells: &(impl Cells + ?Sized),
        gauges: &Gauges,
        cost: &Amounts,
        now: Timestamp,
    ) -> Option<Shortage> {
        let lacking = (0..UNITS).filter_map(|unit| {
            let gauge = gauges[unit].as_ref()?;
            let owed = bucket::owed_in(cells, unit, gauge, now);
            let left = gauge.burst.saturating_sub(owed);
            let missing = cost[unit]
                .checked_sub(left)
                .filter(|missing| *missing > 0)?;
            Some((gauge.rate.time_for(missing), unit, left))
        });
        let (_, unit, left) = lacking.max()?;
        Some(self.shortage(gauges, unit, cost, left, Lack::UsedUp))
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // none is below 0
    fn shortage(
        &self,
        gauges: &Gauges,
        unit: usize,
        cost: &Amounts,
        left: u64,
        lack: Lack,
    ) -> Shortage {
        let per = self.meters.settings().limits[unit].map(|limit| limit.per);
        let units = |parts| self.meters.units(unit, parts);
        let burst = gauges[unit].as_ref().map_or(0, |gauge| gauge.burst);
        let mut shortage = Shortage::new(name(Unit::ALL[unit], per), lack);
        shortage.is_money = Unit::ALL[unit] == Unit::NanoDollars;
        shortage.needs = units(cost[unit]).ceil() as u64;
        shortage.left = units(left).floor() as u64;
        shortage.limit = units(burst).floor() as u64;
        shortage
    }
}

/// What a limit is called.
fn name(unit: Unit, per: Option<Duration>) -> &'static str {
    match (unit, per.map(|per| per.as_secs_f64())) {
        (Unit::Requests, Some(1.0)) => "requests_per_second",
        (Unit::Requests, Some(60.0)) => "requests_per_minute",
        (Unit::Tokens, Some(1.0)) => "tokens_per_second",
        (Unit::Tokens, Some(60.0)) => "tokens_per_minute",
        (unit, _) => unit.name(),
    }
}
