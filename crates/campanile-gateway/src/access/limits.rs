use campanile::{
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitHandle},
    rate_limit::{Limit, RateLimitConfig, RateLimitHandle, Unit},
};

use crate::{build::BuildError, config::LimitsConfig};

/// The highest limit that one may be moved to.
const MOST: u32 = 1_000_000;

/// The limits of a key.
#[derive(Clone)]
pub(super) struct Limits {
    config: LimitsConfig,
    pub(super) rate: Option<RateLimitHandle>,
    pub(super) concurrent: Option<ConcurrencyLimitHandle>,
}

// ===== impl Limits =====

impl Limits {
    /// Limits as the settings say.
    pub(super) fn new(config: &LimitsConfig) -> Result<Self, BuildError> {
        let rate = match rates(config) {
            [None, None] => None,
            limits => Some(rate(config, limits)?),
        };
        let concurrent = config.concurrent.map(|limit| concurrency(config, limit));
        Ok(Self {
            config: config.clone(),
            rate,
            concurrent: concurrent.transpose()?,
        })
    }

    /// Goes on counting what those before have counted, as far as their limits can be moved to where they are now: not where
    /// calls wait otherwise than before, or where something is limited that was not.
    pub(super) fn follow(&mut self, before: &Self) {
        let (config, past) = (&self.config, &before.config);
        if (past.max_wait, past.max_waiting) != (config.max_wait, config.max_waiting) {
            return;
        }
        if let (Some(_), Some(kept)) = (&self.rate, &before.rate)
            && moved(kept, rates(config))
        {
            self.rate = Some(kept.clone());
        }
        if let (Some(limit), Some(kept)) = (config.concurrent, &before.concurrent)
            && kept.set_limit(limit) == limit
        {
            self.concurrent = Some(kept.clone());
        }
    }
}

/// By unit: requests, tokens.
fn rates(config: &LimitsConfig) -> [Option<Limit>; 2] {
    let requests = match (config.requests_per_second, config.requests_per_minute) {
        (Some(rate), _) => Some(Limit::per_second(rate)),
        (None, rate) => rate.map(Limit::per_minute),
    };
    [requests, config.tokens_per_minute.map(Limit::per_minute)]
}

fn rate(
    config: &LimitsConfig,
    [requests, tokens]: [Option<Limit>; 2],
) -> Result<RateLimitHandle, BuildError> {
    let mut limits = RateLimitConfig::default()
        .with_max_wait(config.max_wait)
        .with_max_waiting(config.max_waiting)
        // What answers tell of limits is told of the provider's, not of this key's.
        .with_learn(None);
    limits.requests = requests;
    limits.tokens = tokens;
    Ok(RateLimitHandle::new(limits)?)
}

/// Moves a limit to where it is to be, if it can be moved there.
fn moved(rate: &RateLimitHandle, limits: [Option<Limit>; 2]) -> bool {
    let units = [Unit::Requests, Unit::Tokens];
    let now = units.map(|unit| rate.limit(unit));
    let same_units = now
        .iter()
        .zip(&limits)
        .all(|(now, then)| now.is_some() == then.is_some());
    same_units
        && units.into_iter().zip(limits).all(|(unit, limit)| {
            limit.is_none_or(|limit| {
                rate.limit(unit) == Some(limit) || rate.set_limit(unit, limit).is_ok()
            })
        })
}

fn concurrency(config: &LimitsConfig, limit: u32) -> Result<ConcurrencyLimitHandle, BuildError> {
    let limits = ConcurrencyLimitConfig {
        max_limit: MOST,
        ..ConcurrencyLimitConfig::fixed(limit)
    };
    let limits = match config.max_wait.is_zero() || config.max_waiting == 0 {
        true => limits.refusing(),
        false => limits.waiting(config.max_waiting, config.max_wait),
    };
    Ok(ConcurrencyLimitHandle::new(limits)?)
}
