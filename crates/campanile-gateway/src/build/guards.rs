//! What guards a member of a pool: made of its settings, and moved to others while it works.

use campanile::{
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerHandle},
    concurrency_limit::{
        ConcurrencyLimitConfig, ConcurrencyLimitHandle,
        algorithm::{AlgorithmConfig, StaticConfig},
    },
    config::Invalid,
    rate_limit::{Limit, RateLimitConfig, RateLimitHandle, Unit},
};

use crate::config::{LimitsConfig, MemberConfig, PoolConfig};

/// No limit that anybody reaches, and the highest that one may be moved to.
pub(super) const MOST: u32 = 1_000_000;

/// What guards a member, of all kinds of calls together.
#[derive(Debug, Clone)]
pub(crate) struct Guards {
    terms: Terms,
    /// Held open where there is to be none.
    pub(super) breaker: CircuitBreakerHandle,
    /// Learns from what the provider reports, also where nothing is limited.
    pub(super) rate: RateLimitHandle,
    pub(super) concurrency: ConcurrencyLimitHandle,
}

/// The settings of all guards of a member, checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Terms {
    pub(super) breaker: Option<CircuitBreakerConfig>,
    pub(super) rate: RateLimitConfig,
    pub(super) concurrency: ConcurrencyLimitConfig,
}

// ===== impl Terms =====

impl Terms {
    pub(super) fn of(pool: &PoolConfig, member: &MemberConfig) -> Result<Self, Invalid> {
        let limits = &member.limits;
        let concurrency = match (pool.concurrency, limits.concurrent) {
            (Some(found), None) => found,
            (Some(found), Some(most)) => ConcurrencyLimitConfig {
                max_limit: found.max_limit.min(most),
                ..found
            },
            (None, limit) => fixed(limits, limit.unwrap_or(MOST)),
        };
        Ok(Self {
            breaker: pool.breaker.map(CircuitBreakerConfig::build).transpose()?,
            rate: rate(limits, rates(limits)).build()?,
            concurrency: concurrency.build()?,
        })
    }

    /// Whether some calls are limited to so many at once.
    pub(super) fn limits_concurrency(&self) -> bool {
        !matches!(
            self.concurrency.algorithm,
            AlgorithmConfig::Static(StaticConfig { limit: MOST })
        )
    }
}

/// By unit: requests, tokens.
pub(super) fn rates(limits: &LimitsConfig) -> [Option<Limit>; 2] {
    let requests = match (limits.requests_per_second, limits.requests_per_minute) {
        (Some(rate), _) => Some(Limit::per_second(rate)),
        (None, rate) => rate.map(Limit::per_minute),
    };
    [requests, limits.tokens_per_minute.map(Limit::per_minute)]
}

pub(super) fn rate(
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
pub(super) fn fixed(limits: &LimitsConfig, limit: u32) -> ConcurrencyLimitConfig {
    let config = ConcurrencyLimitConfig {
        max_limit: MOST,
        ..ConcurrencyLimitConfig::fixed(limit)
    };
    match limits.max_wait.is_zero() || limits.max_waiting == 0 {
        true => config.refusing(),
        false => config.waiting(limits.max_waiting, limits.max_wait),
    }
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
            terms,
        })
    }

    pub(super) const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Whether every guard could be moved to `terms` and keep what it knows.
    pub(super) fn can_move(&self, terms: &Terms) -> bool {
        let same_units = |unit: fn(&RateLimitConfig) -> &Option<Limit>| {
            let (now, then) = (unit(&self.terms.rate), unit(&terms.rate));
            match (now, then) {
                (None, None) => true,
                // The handle moves to at most 64 times the highest rate of its beginning.
                (Some(now), Some(then)) => then.rate <= now.rate * 32.0,
                _ => false,
            }
        };
        let mut rate = self.terms.rate.clone();
        (rate.requests, rate.tokens) = (terms.rate.requests, terms.rate.tokens);
        let concurrency = ConcurrencyLimitConfig {
            algorithm: terms.concurrency.algorithm,
            ..self.terms.concurrency
        };
        let fixed = |config: &ConcurrencyLimitConfig| {
            matches!(config.algorithm, AlgorithmConfig::Static(_))
        };
        let movable = self.terms.concurrency == terms.concurrency
            || (fixed(&self.terms.concurrency)
                && fixed(&terms.concurrency)
                && concurrency == terms.concurrency);
        rate == terms.rate
            && same_units(|rate| &rate.requests)
            && same_units(|rate| &rate.tokens)
            && movable
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
        move_rate(&self.rate, &self.terms.rate, &terms.rate);
        move_concurrency(
            &self.concurrency,
            &self.terms.concurrency,
            &terms.concurrency,
        );
        self.terms = terms;
        self
    }
}
