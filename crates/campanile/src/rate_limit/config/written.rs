use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};

use super::{CachedTokens, LARGEST, Learn, Limit, Oversize, RateLimitConfig, second};
use crate::time::human;

/// A burst: a whole number, which older systems wrote with a decimal point.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(deserializer)? else {
        return Ok(None);
    };
    if number >= 0.0 && number.fract() == 0.0 && number <= LARGEST as f64 {
        Ok(Some(number as u64))
    } else {
        Err(D::Error::custom(format_args!(
            "a burst of {number}: it must be a whole number from 1 to 2^58"
        )))
    }
}

// ===== impl Deserialize =====

impl<'de> Deserialize<'de> for RateLimitConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)?
            .read()
            .map_err(D::Error::custom)
    }
}

/// A configuration as it may be written: with the limit of requests as a field, or in the open.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    requests: Option<Limit>,
    tokens: Option<Limit>,
    nano_dollars: Option<Limit>,
    #[serde(with = "human")]
    max_wait: Duration,
    max_waiting: usize,
    oversize: Oversize,
    cached_tokens: CachedTokens,
    max_keys: usize,
    learn: Option<Learn>,
    #[serde(alias = "tokens_per_second", alias = "rate_limit_per_second")]
    rate: Option<f64>,
    #[serde(with = "human")]
    per: Duration,
    #[serde(alias = "burst_capacity", deserialize_with = "whole")]
    burst: Option<u64>,
    min: Option<f64>,
    max: Option<f64>,
}

// ===== impl Written =====

impl Default for Written {
    fn default() -> Self {
        let config = RateLimitConfig::default();
        Self {
            requests: config.requests,
            tokens: config.tokens,
            nano_dollars: config.nano_dollars,
            max_wait: config.max_wait,
            max_waiting: config.max_waiting,
            oversize: config.oversize,
            cached_tokens: config.cached_tokens,
            max_keys: config.max_keys,
            learn: config.learn,
            rate: None,
            per: Duration::ZERO,
            burst: None,
            min: None,
            max: None,
        }
    }
}

impl Written {
    fn read(self) -> Result<RateLimitConfig, &'static str> {
        let open = self.rate.map(|rate| Limit {
            rate,
            per: if self.per.is_zero() {
                second()
            } else {
                self.per
            },
            burst: self.burst,
            min: self.min,
            max: self.max,
        });
        let alone =
            self.burst.is_some() || self.min.is_some() || self.max.is_some() || !self.per.is_zero();
        let requests = match (open, self.requests) {
            (Some(_), Some(_)) => return Err("rate and requests: only one of them can be set"),
            (None, _) if alone => return Err("burst, per, min and max need a rate beside them"),
            (open, requests) => open.or(requests),
        };
        Ok(RateLimitConfig {
            requests,
            tokens: self.tokens,
            nano_dollars: self.nano_dollars,
            max_wait: self.max_wait,
            max_waiting: self.max_waiting,
            oversize: self.oversize,
            cached_tokens: self.cached_tokens,
            max_keys: self.max_keys,
            learn: self.learn,
        })
    }
}
