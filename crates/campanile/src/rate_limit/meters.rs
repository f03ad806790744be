//! What a limiter is set to, and the meters that run by it.

use std::array;

use super::{
    Limit, Unit,
    state::{Amounts, Dials, Gauge, Gauges, Meter, Rate, UNITS, scale},
};
use crate::{
    config::Invalid,
    cost::Cost,
    sync::{AtomicU32, Mutex, Ordering, lock},
    time::Timestamp,
};

/// The meters of a limiter, shared by all of its buckets.
#[derive(Debug)]
pub(super) struct Meters {
    meters: [Option<Meter>; UNITS],
    /// The least that any call takes, in parts.
    least: Amounts,
    /// The fastest that each was built for, in units per nanosecond.
    fastest: [f64; UNITS],
    settings: Mutex<Settings>,
    /// Whether the rates are turned down; read without the lock.
    slowed: AtomicU32,
}

/// What the rates come from.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// As configured, or put in its place since.
    pub(super) limits: [Option<Limit>; UNITS],
    /// Where the rates were turned to, in units per `per`.
    pub(super) rates: [f64; UNITS],
    /// What the upstream has reported as its limits, in units per `per`.
    pub(super) ceilings: [Option<f64>; UNITS],
    /// What all rates are multiplied by.
    pub(super) pace: f64,
    /// When it was last slowed down, and last quickened.
    pub(super) slowed_at: Timestamp,
    pub(super) quickened_at: Timestamp,
}

/// How much faster than it was built for a meter may be set to run.
const SPAN: f64 = 64.0;

// ===== impl Meters =====

impl Meters {
    pub(super) fn new(limits: [Option<Limit>; UNITS]) -> Self {
        let meters = limits.map(|limit| {
            let limit = limit?;
            let scale = scale(limit.max(), limit.per, limit.burst());
            let rate = Rate::new(limit.rate, limit.per, scale);
            Some(Meter::new(rate, limit.burst(), scale))
        });
        Self {
            least: array::from_fn(|unit| meters[unit].as_ref().map_or(0, |meter| meter.parts(1))),
            fastest: limits.map(|limit| limit.map_or(0.0, |limit| per_nano(&limit))),
            meters,
            settings: Mutex::new(Settings {
                limits,
                rates: limits.map(|limit| limit.map_or(0.0, |limit| limit.rate)),
                ceilings: [None; UNITS],
                pace: 1.0,
                slowed_at: Timestamp::ZERO,
                quickened_at: Timestamp::ZERO,
            }),
            slowed: AtomicU32::new(0),
        }
    }

    /// What the meters are set to.
    pub(super) fn gauges(&self) -> Gauges {
        array::from_fn(|unit| self.gauge(unit))
    }

    /// Waits for the writer.
    #[cold]
    fn read_locked(&self, meter: &Meter) -> Gauge {
        loop {
            let _writer = lock(&self.settings);
            if let Some(gauge) = meter.try_read() {
                return gauge;
            }
        }
    }

    /// A cost in parts, of the units that are limited.
    #[inline]
    pub(super) fn parts(&self, cost: &Cost) -> Amounts {
        let units = [u64::from(cost.requests), cost.tokens, cost.nano_dollars];
        array::from_fn(|unit| {
            self.meters[unit]
                .as_ref()
                .map_or(0, |meter| meter.parts(units[unit]))
        })
    }

    /// So many of one unit, in parts.
    pub(super) fn unit_parts(&self, unit: usize, units: u64) -> u64 {
        self.meters[unit]
            .as_ref()
            .map_or(0, |meter| meter.parts(units))
    }

    /// Parts of one unit, in units.
    pub(super) fn units(&self, unit: usize, parts: u64) -> f64 {
        self.meters[unit]
            .as_ref()
            .map_or(0.0, |meter| parts as f64 / (1_u64 << meter.scale()) as f64)
    }

    /// The least that any call takes, in parts.
    #[inline]
    pub(super) const fn least(&self) -> &Amounts {
        &self.least
    }

    pub(super) const fn is_limited(&self, unit: usize) -> bool {
        self.meters[unit].is_some()
    }

    /// The first unit that is limited.
    pub(super) fn primary(&self) -> Option<Unit> {
        Unit::ALL
            .into_iter()
            .find(|unit| self.meters[unit.index()].is_some())
    }

    /// Whether the rates are turned down.
    #[inline]
    pub(super) fn is_slowed(&self) -> bool {
        self.slowed.load(Ordering::Relaxed) != 0
    }

    pub(super) fn settings(&self) -> Settings {
        lock(&self.settings).clone()
    }

    /// Changes the settings from `now` on.
    pub(super) fn change<T>(&self, now: Timestamp, change: impl FnOnce(&mut Settings) -> T) -> T {
        let mut settings = lock(&self.settings);
        let changed = change(&mut settings);
        for (unit, meter) in self.meters.iter().enumerate() {
            let (Some(meter), Some(limit)) = (meter, &settings.limits[unit]) else {
                continue;
            };
            let rate = Rate::new(settings.rate(unit), limit.per, meter.scale());
            let burst = meter.parts(limit.burst());
            // The only writer is this one.
            if let Some(gauge) = meter.try_read()
                && (gauge.rate, gauge.burst) != (rate, burst)
            {
                meter.set(gauge.change(rate, burst, now));
            }
        }
        self.slowed
            .store(u32::from(settings.pace < 1.0), Ordering::Relaxed);
        changed
    }

    /// Whether a limit can take the place of the present one of its unit.
    pub(super) fn check(&self, unit: Unit, limit: &Limit) -> Result<(), Invalid> {
        let index = unit.index();
        limit.check(index)?;
        let fits = self.meters[index].as_ref().is_some_and(|meter| {
            limit.burst() <= (1 << 60) >> meter.scale()
                && per_nano(limit) <= self.fastest[index] * SPAN
        });
        Invalid::unless(
            fits,
            "rate_limit",
            match unit {
                Unit::Requests => "requests",
                Unit::Tokens => "tokens",
                Unit::NanoDollars => "nano_dollars",
            },
            limit,
            "a unit must have been limited from the start, and to no less than a 64th of this",
        )
    }
}

/// The highest rate of a limit.
fn per_nano(limit: &Limit) -> f64 {
    limit.max() / limit.per.as_secs_f64() * 1e-9
}

impl Dials for Meters {
    #[inline(always)]
    fn gauge(&self, unit: usize) -> Option<Gauge> {
        let meter = self.meters[unit].as_ref()?;
        Some(match meter.try_read() {
            Some(gauge) => gauge,
            None => self.read_locked(meter),
        })
    }
}

// ===== impl Settings =====

impl Settings {
    /// The rate of a unit: what it was turned to, what the upstream allows, the pace of all; between `min` and `max`.
    pub(super) fn rate(&self, unit: usize) -> f64 {
        let Some(limit) = &self.limits[unit] else {
            return 0.0;
        };
        let rate = self.rates[unit].min(self.ceilings[unit].unwrap_or(f64::INFINITY));
        (rate * self.pace).max(limit.min()).min(limit.max())
    }

    /// Turns one unit's rate; says where it stands then.
    pub(super) fn turn(&mut self, unit: usize, rate: f64) -> f64 {
        if let Some(limit) = &self.limits[unit]
            && !rate.is_nan()
        {
            self.rates[unit] = rate.max(limit.min()).min(limit.max());
        }
        self.rates[unit]
    }

    /// Turns one unit's rate, and the others' in proportion to what is configured.
    pub(super) fn turn_all(&mut self, unit: usize, rate: f64) -> f64 {
        if let Some(limit) = &self.limits[unit] {
            let part = rate / limit.rate;
            for other in 0..UNITS {
                if other != unit
                    && let Some(limit) = &self.limits[other]
                {
                    self.turn(other, limit.rate * part);
                }
            }
        }
        self.turn(unit, rate)
    }

    /// A pace that slows every unit down by `factor`, and stays where slower would change nothing.
    pub(super) fn slower(&self, factor: f64) -> f64 {
        let slowest = self
            .limits
            .iter()
            .zip(&self.rates)
            .filter_map(|(limit, rate)| Some(limit.as_ref()?.min() / rate))
            .fold(1.0, f64::min);
        (self.pace * factor).max(slowest).min(1.0)
    }
}
