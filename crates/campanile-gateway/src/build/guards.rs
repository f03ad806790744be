//! What guards a member of a pool: made of its settings, and moved to others while it works.

use std::time::Duration;

use campanile::{
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerHandle},
    concurrency_limit::{
        ConcurrencyLimitConfig, ConcurrencyLimitHandle,
        algorithm::{AlgorithmConfig, StaticConfig},
    },
    config::Invalid,
    rate_limit::{CachedTokens, Limit, RateLimitConfig, RateLimitHandle, Unit},
};
use campanile_llm::dialect::Api;

use crate::config::{LimitsConfig, MemberConfig, PoolConfig};

/// No limit that anybody reaches, and the highest that one may be moved to.
pub(crate) const MOST: u32 = 1_000_000;

/// What guards a member, of all kinds of calls together.
#[derive(Debug, Clone)]
pub(crate) struct Guards {
    terms: Terms,
    /// By what the rate limit began: what it can be moved to depends on that.
    born: RateLimitConfig,
    /// Held open where there is to be none.
    pub(super) breaker: CircuitBreakerHandle,
    /// Learns from what the provider reports, also where nothing is limited.
    pub(super) rate: RateLimitHandle,
    pub(super) concurrency: ConcurrencyLimitHandle,
}

/// The settings of all guards of a member, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Terms {
    pub(super) breaker: Option<CircuitBreakerConfig>,
    pub(super) rate: RateLimitConfig,
    pub(super) concurrency: ConcurrencyLimitConfig,
}

// ===== impl Terms =====

impl Terms {
    pub(crate) fn of(pool: &PoolConfig, member: &MemberConfig) -> Result<Self, Invalid> {
        let limits = &member.limits;
        let concurrency = match (pool.concurrency, limits.concurrent) {
            (Some(found), None) => found,
            (Some(found), Some(most)) => ConcurrencyLimitConfig {
                max_limit: found.max_limit.min(most),
                algorithm: match found.algorithm {
                    AlgorithmConfig::Static(StaticConfig { limit }) => {
                        AlgorithmConfig::Static(StaticConfig {
                            limit: limit.min(most),
                        })
                    }
                    other => other,
                },
                ..found
            },
            (None, limit) => fixed(limits, limit.unwrap_or(MOST)),
        };
        Ok(Self {
            breaker: pool.breaker.map(CircuitBreakerConfig::build).transpose()?,
            rate: parking(rate(limits, rates(limits)), believed(pool)).build()?,
            concurrency: concurrency.build()?,
        })
    }

    /// Those of a provider that speaks this.
    pub(super) fn speaking(mut self, api: Api) -> Self {
        // Its own limits leave out what it reads from its cache, for most models.
        if api == Api::Anthropic {
            self.rate.cached_tokens = CachedTokens::Free;
        }
        self
    }

    /// Whether some calls are limited to so many at once.
    pub(super) fn limits_concurrency(&self) -> bool {
        !matches!(
            self.concurrency.algorithm,
            AlgorithmConfig::Static(StaticConfig { limit: MOST })
        )
    }
}

/// For how long at most a member of a pool is left alone because its provider says so.
pub(super) fn believed(pool: &PoolConfig) -> Duration {
    let breaker = pool.breaker.unwrap_or_default();
    match breaker.park_throttled {
        true => breaker.retry_after_max,
        false => Duration::ZERO,
    }
}

/// The same rate limit, which is parked for so long at most.
fn parking(mut rate: RateLimitConfig, most: Duration) -> RateLimitConfig {
    if let Some(learn) = &mut rate.learn {
        learn.max_park = most;
    }
    rate
}

/// For how long a rate limit is parked at most.
fn parks(rate: &RateLimitConfig) -> Duration {
    rate.learn.as_ref().map_or(Duration::ZERO, |it| it.max_park)
}

/// By unit: requests, tokens.
pub(crate) fn rates(limits: &LimitsConfig) -> [Option<Limit>; 2] {
    let requests = match (limits.requests_per_second, limits.requests_per_minute) {
        (Some(rate), _) => Some(Limit::per_second(rate)),
        (None, rate) => rate.map(Limit::per_minute),
    };
    [requests, limits.tokens_per_minute.map(Limit::per_minute)]
}

pub(crate) fn rate(
    limits: &LimitsConfig,
    [requests, tokens]: [Option<Limit>; 2],
) -> RateLimitConfig {
    let mut config = RateLimitConfig::default()
        .with_max_wait(limits.max_wait)
        .with_max_waiting(limits.max_waiting);
    config.requests = requests;
    config.tokens = tokens;
    config
}

/// So many calls at once, of a limit that may be moved.
pub(crate) fn fixed(limits: &LimitsConfig, limit: u32) -> ConcurrencyLimitConfig {
    let config = ConcurrencyLimitConfig {
        max_limit: MOST,
        ..ConcurrencyLimitConfig::fixed(limit)
    };
    match limits.max_wait.is_zero() || limits.max_waiting == 0 {
        true => config.refusing(),
        false => config.waiting(limits.max_waiting, limits.max_wait),
    }
}

/// Whether a rate limit of these beginnings can be moved there: in the same units, to at most 64 times the rates of then.
pub(super) fn can_reach(born: [Option<Limit>; 2], then: &RateLimitConfig) -> bool {
    let a_second = |limit: Limit| limit.rate / limit.per.as_secs_f64();
    let then = [then.requests, then.tokens];
    born.into_iter().zip(then).all(|units| match units {
        (None, None) => true,
        (Some(born), Some(then)) => a_second(then) <= 64.0 * a_second(born),
        _ => false,
    })
}

/// Moves a rate limit to other settings; says whether that can be. What calls have taken stays taken.
pub(super) fn move_rate(
    handle: &RateLimitHandle,
    now: &RateLimitConfig,
    then: &RateLimitConfig,
) -> bool {
    let mut moved = now.clone();
    (moved.requests, moved.tokens) = (then.requests, then.tokens);
    let units = [
        (Unit::Requests, now.requests, then.requests),
        (Unit::Tokens, now.tokens, then.tokens),
    ];
    moved == *then
        && units.iter().all(|(unit, now, then)| match (now, then) {
            (None, None) => true,
            (Some(now), Some(then)) => now == then || handle.set_limit(*unit, *then).is_ok(),
            _ => false,
        })
}

/// Moves a concurrency limit to other settings; says whether that can be.
pub(super) fn move_concurrency(
    handle: &ConcurrencyLimitHandle,
    now: &ConcurrencyLimitConfig,
    then: &ConcurrencyLimitConfig,
) -> bool {
    let (AlgorithmConfig::Static(_), AlgorithmConfig::Static(limit)) =
        (now.algorithm, then.algorithm)
    else {
        return now == then;
    };
    let moved = ConcurrencyLimitConfig {
        algorithm: then.algorithm,
        ..*now
    };
    moved == *then && handle.set_limit(limit.limit) == limit.limit
}

// ===== impl Guards =====

impl Default for Guards {
    /// Guards that keep nobody from anything.
    fn default() -> Self {
        let limits = LimitsConfig::default();
        let terms = Terms {
            breaker: None,
            rate: rate(&limits, [None, None]),
            concurrency: fixed(&limits, MOST),
        };
        match Self::new(terms) {
            Ok(guards) => guards,
            Err(_) => unreachable!("these settings are well"),
        }
    }
}

impl Guards {
    /// New ones.
    pub(super) fn new(terms: Terms) -> Result<Self, Invalid> {
        let breaker = CircuitBreakerHandle::new(terms.breaker.unwrap_or_default())?;
        if terms.breaker.is_none() {
            breaker.force_close();
        }
        Ok(Self {
            breaker,
            rate: RateLimitHandle::new(terms.rate.clone())?,
            concurrency: ConcurrencyLimitHandle::new(terms.concurrency)?,
            born: terms.rate.clone(),
            terms,
        })
    }

    pub(super) const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Whether every guard could be moved to `terms` and keep what it knows.
    pub(super) fn can_move(&self, terms: &Terms) -> bool {
        let mut rate = parking(self.terms.rate.clone(), parks(&terms.rate));
        (rate.requests, rate.tokens) = (terms.rate.requests, terms.rate.tokens);
        let within = can_reach([self.born.requests, self.born.tokens], &terms.rate);
        let mut concurrency = self.terms.concurrency;
        let both = (concurrency.algorithm, terms.concurrency.algorithm);
        if let (AlgorithmConfig::Static(_), AlgorithmConfig::Static(_)) = both {
            concurrency.algorithm = terms.concurrency.algorithm;
        }
        rate == terms.rate && within && concurrency == terms.concurrency
    }

    /// The same guards by other settings, with what they know.
    pub(super) fn moved(mut self, terms: Terms) -> Self {
        if terms.breaker != self.terms.breaker {
            match terms.breaker {
                Some(config) => {
                    // It was checked with the others.
                    let _ = self.breaker.set_config(config);
                    if self.terms.breaker.is_none() {
                        self.breaker.reset();
                    }
                }
                None => self.breaker.force_close(),
            }
        }
        let most = parks(&terms.rate);
        self.rate.set_max_park(most);
        move_rate(&self.rate, &parking(self.terms.rate, most), &terms.rate);
        move_concurrency(
            &self.concurrency,
            &self.terms.concurrency,
            &terms.concurrency,
        );
        self.terms = terms;
        self
    }
}
