use std::{
    fmt,
    hash::Hash,
    sync::{Arc, Weak},
    time::Duration,
};

use serde::Serialize;

use super::{
    Keyed, Limit, RateLimitConfig, Single, Unit,
    buckets::{Place, Store},
    limiter::Limiter,
};
use crate::{
    config::Invalid,
    control::Dial,
    time::{Timestamp, number},
};

/// What an operator or a control loop sees and moves of a rate limit. Clones are the same.
pub struct RateLimitHandle<B = Single> {
    limiter: Arc<Limiter<B>>,
}

/// Turns rates between their `min` and `max`; in units per `per`, as configured. It does not keep the limit alive: once
/// that is gone, it stands at 0.
pub struct RateDial<B = Single> {
    limiter: Weak<Limiter<B>>,
    /// One unit, or all in proportion to the first that is limited.
    unit: Option<Unit>,
}

/// What is known of a rate limit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RateLimitSnapshot {
    /// The units that are limited.
    pub units: Vec<UnitSnapshot>,
    /// How many calls wait.
    pub waiting: usize,
    /// For how long it is parked yet, where there is one bucket; written as a number of seconds.
    #[serde(serialize_with = "number::optional")]
    pub parked_for: Option<Duration>,
    /// What all rates are multiplied by, since the upstream throttles; 1 otherwise.
    pub pace: f64,
    /// How many keys are told apart, where there are keys.
    pub keys: Option<usize>,
}

/// What is known of one unit of a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UnitSnapshot {
    /// The unit.
    pub unit: Unit,
    /// The present rate, in units per `per`.
    pub rate: f64,
    /// In which time; written as a number of seconds.
    #[serde(serialize_with = "number::serialize")]
    pub per: Duration,
    /// How much at once.
    pub burst: u64,
    /// How much is left, where there is one bucket; below 0 where calls took more than was estimated.
    pub left: Option<f64>,
}

// ===== impl RateLimitHandle =====

impl RateLimitHandle {
    /// A limit for all calls together, for as many services as are to [share](super::RateLimitLayer::shared) it.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: RateLimitConfig) -> Result<Self, Invalid> {
        Ok(Self::of(Arc::new(Limiter::new(config.build()?))))
    }

    /// What is left of a unit, below 0 where calls took more than was estimated; `None` where it is not limited.
    #[must_use]
    pub fn left(&self, unit: Unit) -> Option<f64> {
        self.limiter.left(unit, Timestamp::now())
    }

    /// Admits no call for so long, or longer where it is parked already.
    pub fn park(&self, time: Duration) {
        self.limiter.park(&(), Place::Own, time, Timestamp::now());
    }

    /// Ends a park.
    pub fn unpark(&self) {
        self.limiter.unpark(&(), Place::Own, Timestamp::now());
    }

    /// Everything that is known.
    #[must_use]
    pub fn snapshot(&self) -> RateLimitSnapshot {
        let now = Timestamp::now();
        let mut snapshot = self.outline();
        for unit in &mut snapshot.units {
            unit.left = self.limiter.left(unit.unit, now);
        }
        snapshot.parked_for = self.limiter.parked(now).map(|until| until.since(now));
        snapshot
    }
}

impl<K> RateLimitHandle<Keyed<K>>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    /// A limit for each key, for as many services as are to [share](super::RateLimitLayer::share) it.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn keyed(config: RateLimitConfig) -> Result<Self, Invalid> {
        Ok(Self::of(Arc::new(Limiter::new(config.build()?))))
    }

    /// Admits no call of this key for so long, or longer where it is parked already.
    pub fn park_key(&self, key: &K, time: Duration) {
        self.limiter.park(key, Place::Own, time, Timestamp::now());
    }

    /// Ends the park of a key.
    pub fn unpark_key(&self, key: &K) {
        self.limiter.unpark(key, Place::Own, Timestamp::now());
    }

    /// Everything that is known of all keys together.
    #[must_use]
    pub fn snapshot(&self) -> RateLimitSnapshot {
        self.outline()
    }
}

impl<B: Store> RateLimitHandle<B> {
    pub(super) const fn of(limiter: Arc<Limiter<B>>) -> Self {
        Self { limiter }
    }

    pub(super) fn limiter(&self) -> Arc<Limiter<B>> {
        Arc::clone(&self.limiter)
    }

    /// The limit of a unit, as configured or put in its place since.
    #[must_use]
    pub fn limit(&self, unit: Unit) -> Option<Limit> {
        self.limiter.meters.settings().limits[unit.index()]
    }

    /// The present rate of a unit, in units per `per`: where it was turned to, no more than the upstream reports, slower
    /// while the upstream throttles.
    #[must_use]
    pub fn rate(&self, unit: Unit) -> Option<f64> {
        let settings = self.limiter.meters.settings();
        settings.limits[unit.index()].map(|_| settings.rate(unit.index()))
    }

    /// Puts another limit in the place of a unit's, for all keys, from now on. What calls have taken stays taken.
    ///
    /// # Errors
    ///
    /// When it is out of range, when the unit was not limited from the start, or when the rate is above 64 times the
    /// highest of then.
    pub fn set_limit(&self, unit: Unit, limit: Limit) -> Result<(), Invalid> {
        self.limiter.meters.check(unit, &limit)?;
        self.limiter.set(Timestamp::now(), |settings| {
            settings.limits[unit.index()] = Some(limit);
            settings.rates[unit.index()] = limit.rate;
        });
        Ok(())
    }

    /// Sets the longest that it is parked because its upstream says so, in place of [`Learn::max_park`](super::Learn), from now on;
    /// 0 for not at all. A park that began stays as long as it is.
    pub fn set_max_park(&self, time: Duration) {
        self.limiter.set_max_park(time);
    }

    /// The dial of all rates together: it shows that of the first unit that is limited, and turns the others in
    /// proportion.
    #[must_use]
    pub fn rate_dial(&self) -> RateDial<B> {
        RateDial {
            limiter: Arc::downgrade(&self.limiter),
            unit: None,
        }
    }

    /// The dial of one unit's rate.
    #[must_use]
    pub fn unit_dial(&self, unit: Unit) -> RateDial<B> {
        RateDial {
            limiter: Arc::downgrade(&self.limiter),
            unit: Some(unit),
        }
    }

    pub(super) fn outline(&self) -> RateLimitSnapshot {
        let settings = self.limiter.meters.settings();
        let units = Unit::ALL.into_iter().filter_map(|unit| {
            let limit = settings.limits[unit.index()]?;
            Some(UnitSnapshot {
                unit,
                rate: settings.rate(unit.index()),
                per: limit.per,
                burst: limit.burst(),
                left: None,
            })
        });
        RateLimitSnapshot {
            units: units.collect(),
            waiting: self.limiter.buckets.waiting(),
            parked_for: None,
            pace: settings.pace,
            keys: self.limiter.buckets.keys(),
        }
    }
}

impl<B> Clone for RateLimitHandle<B> {
    fn clone(&self) -> Self {
        Self {
            limiter: Arc::clone(&self.limiter),
        }
    }
}

impl<B: fmt::Debug> fmt::Debug for RateLimitHandle<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RateLimitHandle")
            .field(&self.limiter)
            .finish()
    }
}

// ===== impl RateDial =====

impl<B: Store> Dial for RateDial<B> {
    fn value(&self) -> f64 {
        let Some(limiter) = self.limiter.upgrade() else {
            return 0.0;
        };
        let settings = limiter.meters.settings();
        self.unit(&limiter).map_or(0.0, |unit| settings.rates[unit])
    }

    fn set(&self, value: f64) -> f64 {
        let Some(limiter) = self.limiter.upgrade() else {
            return 0.0;
        };
        let Some(unit) = self.unit(&limiter) else {
            return 0.0;
        };
        limiter.set(Timestamp::now(), |settings| {
            if self.unit.is_some() {
                settings.turn(unit, value)
            } else {
                settings.turn_all(unit, value)
            }
        })
    }

    fn is_alive(&self) -> bool {
        self.limiter.strong_count() > 0
    }
}

impl<B: Store> RateDial<B> {
    fn unit(&self, limiter: &Limiter<B>) -> Option<usize> {
        self.unit
            .or_else(|| limiter.meters.primary())
            .map(Unit::index)
    }
}

impl<B> Clone for RateDial<B> {
    fn clone(&self) -> Self {
        Self {
            limiter: Weak::clone(&self.limiter),
            unit: self.unit,
        }
    }
}

impl<B: fmt::Debug> fmt::Debug for RateDial<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateDial")
            .field("unit", &self.unit)
            .finish_non_exhaustive()
    }
}
