use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    config::Invalid,
    time::{human, nanos},
};

mod learn;
#[cfg(all(test, not(campanile_loom)))]
mod tests;
mod written;

pub use learn::{Learn, Reset};
use written::whole;

/// How much may be taken in a time, and how a call that finds too little left is treated.
///
/// Calls are limited in up to three units at once; a call is admitted when there is enough of each. A limiter without
/// any unit only [learns](Self::learn) from its upstream.
///
/// ```
/// use campanile::rate_limit::RateLimitConfig;
///
/// let config: RateLimitConfig = serde_json::from_str(
///     r#"{
///         "requests": { "rate": 500, "per": "1m", "burst": 20 },
///         "tokens": { "rate": 200000, "per": "1m" },
///         "max_wait": "5s"
///     }"#,
/// )
/// .unwrap();
/// assert_eq!(config.build().unwrap().requests.unwrap().burst(), 20);
///
/// // One limit of requests, as older systems wrote it.
/// let config: RateLimitConfig =
///     serde_json::from_str(r#"{ "tokens_per_second": 10.0, "burst_capacity": 20 }"#).unwrap();
/// assert_eq!(config.build().unwrap().requests.unwrap().rate, 10.0);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RateLimitConfig {
    /// Requests. Not limited by default.
    pub requests: Option<Limit>,
    /// Tokens, of the prompt and of the answer together. Not limited by default.
    pub tokens: Option<Limit>,
    /// Money in nano-dollars. Not limited by default.
    pub nano_dollars: Option<Limit>,
    /// How long a call waits at most. A call that would have to wait longer, or beyond its own deadline, is refused at
    /// once, and one that others overtake until then when its time is over; with 0 every call that finds too little is
    /// refused. 1 s by default.
    #[serde(with = "human")]
    pub max_wait: Duration,
    /// How many calls wait at most, for each key. One that comes then is refused at once, unless it matters more than another
    /// that waits: then the last of those that matter least is refused in its place. 1,024 by default.
    pub max_waiting: usize,
    /// What becomes of a call that takes more than a full bucket holds. Refused by default.
    pub oversize: Oversize,
    /// How those tokens of a prompt count that the upstream had in its cache. As all others by default.
    pub cached_tokens: CachedTokens,
    /// How many keys are told apart at once by a limiter with keys; further ones share one bucket among them until a key
    /// has rested long enough to be forgotten. 1,000,000 by default.
    pub max_keys: usize,
    /// What is learnt from the upstream. On by default; `None` learns nothing.
    pub learn: Option<Learn>,
}

/// A limit in one unit: `rate` in each `per` on average, and `burst` at once.
///
/// `tokens_per_second` and `burst_capacity` are accepted for `rate` and `burst`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Limit {
    /// How much in each `per`.
    #[serde(alias = "tokens_per_second", alias = "rate_limit_per_second")]
    pub rate: f64,
    /// In which time. 1 s by default.
    #[serde(with = "human", default = "second")]
    pub per: Duration,
    /// How much at once, after a rest. As much as comes in one `per` by default.
    #[serde(
        alias = "burst_capacity",
        default,
        deserialize_with = "whole",
        skip_serializing_if = "Option::is_none"
    )]
    pub burst: Option<u64>,
    /// What the rate may be turned down to while running. A twentieth of `rate` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// What the rate may be turned up to while running. `rate` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// What becomes of a call that takes more of a unit than its bucket holds when it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Oversize {
    /// It is refused, by a rejection without `retry_after`: it would never succeed.
    #[default]
    Refuse,
    /// It goes when the bucket is full, and those after it wait until what it took has come in.
    Debt,
}

/// How tokens of a prompt count that the upstream had in its [cache](crate::Usage::cached_tokens), once it has reported them. Until
/// then what was estimated counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CachedTokens {
    /// As all others.
    #[default]
    Count,
    /// They do not, as in limits of Anthropic's for most models. Only tokens: money is as it was reported.
    Free,
}

const CONCERN: &str = "rate_limit";

/// How many times slower a rate may become.
const SLOWEST: f64 = 1e9;

/// The fastest rate, in units per second.
const FASTEST: f64 = 1e12;

/// The largest burst.
const LARGEST: u64 = 1 << 58;

/// The names of a unit's fields.
struct Fields {
    rate: &'static str,
    per: &'static str,
    burst: &'static str,
    min: &'static str,
    max: &'static str,
}

macro_rules! fields {
    ($unit:literal) => {
        Fields {
            rate: concat!($unit, ".rate"),
            per: concat!($unit, ".per"),
            burst: concat!($unit, ".burst"),
            min: concat!($unit, ".min"),
            max: concat!($unit, ".max"),
        }
    };
}

/// By unit, in the order of [`RateLimitConfig::limits`].
const FIELDS: [Fields; 3] = [
    fields!("requests"),
    fields!("tokens"),
    fields!("nano_dollars"),
];

const fn second() -> Duration {
    Duration::from_secs(1)
}

// ===== impl RateLimitConfig =====

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self {
            requests: None,
            tokens: None,
            nano_dollars: None,
            max_wait: Duration::from_secs(1),
            max_waiting: 1_024,
            oversize: Oversize::default(),
            cached_tokens: CachedTokens::default(),
            max_keys: 1_000_000,
            learn: Some(Learn::default()),
        }
    }
}

impl RateLimitConfig {
    /// So many requests.
    #[must_use]
    pub fn requests(limit: Limit) -> Self {
        Self::default().with_requests(limit)
    }

    /// Limits requests.
    #[must_use]
    pub const fn with_requests(mut self, limit: Limit) -> Self {
        self.requests = Some(limit);
        self
    }

    /// Limits tokens.
    #[must_use]
    pub const fn with_tokens(mut self, limit: Limit) -> Self {
        self.tokens = Some(limit);
        self
    }

    /// Limits money, in nano-dollars.
    #[must_use]
    pub const fn with_nano_dollars(mut self, limit: Limit) -> Self {
        self.nano_dollars = Some(limit);
        self
    }

    /// Sets how long a call waits at most; 0 refuses at once.
    #[must_use]
    pub const fn with_max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Sets how many calls wait at most, for each key.
    #[must_use]
    pub const fn with_max_waiting(mut self, calls: usize) -> Self {
        self.max_waiting = calls;
        self
    }

    /// Sets what becomes of a call that takes more than a full bucket holds.
    #[must_use]
    pub const fn with_oversize(mut self, oversize: Oversize) -> Self {
        self.oversize = oversize;
        self
    }

    /// Sets how tokens count that the upstream had in its cache.
    #[must_use]
    pub const fn with_cached_tokens(mut self, cached: CachedTokens) -> Self {
        self.cached_tokens = cached;
        self
    }

    /// Sets how many keys are told apart at once.
    #[must_use]
    pub const fn with_max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys;
        self
    }

    /// Sets what is learnt from the upstream.
    #[must_use]
    pub const fn with_learn(mut self, learn: Option<Learn>) -> Self {
        self.learn = learn;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        for (unit, limit) in self.limits().into_iter().enumerate() {
            if let Some(limit) = limit {
                limit.check(unit)?;
            }
        }
        Invalid::unless(
            self.learn.is_some() || self.limits().iter().any(Option::is_some),
            CONCERN,
            "requests",
            &self.requests,
            "without requests, tokens, nano_dollars and learn there is nothing to do",
        )?;
        Invalid::unless(
            self.max_keys > 0,
            CONCERN,
            "max_keys",
            &self.max_keys,
            "it must be at least 1",
        )?;
        if let Some(learn) = &self.learn {
            learn.check()?;
        }
        Ok(self)
    }

    /// By unit.
    pub(super) const fn limits(&self) -> [Option<Limit>; 3] {
        [self.requests, self.tokens, self.nano_dollars]
    }
}

// ===== impl Limit =====

impl Limit {
    /// So many in each `per`, and as many at once.
    #[must_use]
    pub const fn new(rate: f64, per: Duration) -> Self {
        Self {
            rate,
            per,
            burst: None,
            min: None,
            max: None,
        }
    }

    /// So many a second, and as many at once.
    #[must_use]
    pub const fn per_second(rate: f64) -> Self {
        Self::new(rate, second())
    }

    /// So many a minute, and as many at once.
    #[must_use]
    pub const fn per_minute(rate: f64) -> Self {
        Self::new(rate, Duration::from_secs(60))
    }

    /// Sets how much may be taken at once.
    #[must_use]
    pub const fn with_burst(mut self, burst: u64) -> Self {
        self.burst = Some(burst);
        self
    }

    /// Sets what the rate may be turned down and up to while running.
    #[must_use]
    pub const fn with_range(mut self, min: f64, max: f64) -> Self {
        self.min = Some(min);
        self.max = Some(max);
        self
    }

    /// How much at once.
    #[must_use]
    pub fn burst(&self) -> u64 {
        // A rate is positive; what is above the largest integer becomes that.
        self.burst.unwrap_or((self.rate.ceil() as u64).max(1))
    }

    /// What the rate may be turned down to.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.min.unwrap_or(self.rate / 20.0)
    }

    /// What the rate may be turned up to.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.max.unwrap_or(self.rate)
    }

    pub(super) fn check(&self, unit: usize) -> Result<(), Invalid> {
        let fields = &FIELDS[unit];
        let (min, max) = (self.min(), self.max());
        let positive = |value: f64| value.is_finite() && value > 0.0;
        Invalid::unless(
            positive(self.rate),
            CONCERN,
            fields.rate,
            &self.rate,
            "it must be a number above 0",
        )?;
        Invalid::unless(
            !self.per.is_zero() && nanos(self.per) < u64::MAX,
            CONCERN,
            fields.per,
            &self.per,
            "it must be above 0",
        )?;
        Invalid::unless(
            (1..=LARGEST).contains(&self.burst()),
            CONCERN,
            fields.burst,
            &self.burst(),
            "it must be at least 1 and at most 2^58",
        )?;
        Invalid::unless(
            positive(max) && max >= self.rate && max / self.per.as_secs_f64() <= FASTEST,
            CONCERN,
            fields.max,
            &max,
            "it must not be below rate, and at most 10^12 per second",
        )?;
        Invalid::unless(
            positive(min) && min <= self.rate && min >= max / SLOWEST,
            CONCERN,
            fields.min,
            &min,
            "it must be above 0, not above rate, and at least max / 10^9",
        )
    }
}
