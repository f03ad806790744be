use campanile::{
    concurrency_limit::ConcurrencyLimitHandle,
    config::Invalid,
    rate_limit::{Limit, RateLimitConfig, RateLimitHandle},
};

use super::guards::{can_reach, fixed, move_concurrency, move_rate, rate, rates};
use crate::config::LimitsConfig;

/// The limits of a stage, or of the whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    config: LimitsConfig,
    /// By what the rate limit began: what it can be moved to depends on that.
    born: [Option<Limit>; 2],
    pub(crate) rate: Option<RateLimitHandle>,
    pub(crate) concurrency: Option<ConcurrencyLimitHandle>,
    /// Whether something that was limited before is counted anew.
    pub(super) anew: bool,
}

// ===== impl Limits =====

impl Limits {
    /// Limits as the settings say; nothing of `before` is touched. What can be moved is kept, and
    /// moved by [`settle`](Self::settle).
    pub(super) fn new(config: &LimitsConfig, before: Option<&Self>) -> Result<Self, Invalid> {
        let waits = |before: &&Self| {
            before.config.max_wait == config.max_wait
                && before.config.max_waiting == config.max_waiting
        };
        let known = before.map_or((false, false), |before| {
            (before.rate.is_some(), before.concurrency.is_some())
        });
        let before = before.filter(waits);
        let kept = before.and_then(|before| {
            let near = can_reach(before.born, &rate_of(config));
            Some((before.rate.clone().filter(|_| near)?, before.born))
        });
        let limited = rates(config) != [None, None];
        if limited {
            rate_of(config).build()?;
        }
        let goes_on = kept.is_some();
        let (rate, born) = match (rates(config), kept) {
            ([None, None], _) => (None, [None, None]),
            (_, Some((kept, born))) => (Some(kept), born),
            (born, None) => (Some(RateLimitHandle::new(rate_of(config))?), born),
        };
        let mut anew = limited && known.0 && !goes_on;
        let kept = before.and_then(|before| before.concurrency.clone());
        anew |= config.concurrent.is_some() && known.1 && kept.is_none();
        let concurrency = match (config.concurrent, kept) {
            (None, _) => None,
            (Some(_), Some(kept)) => {
                // Checked, so that it can be moved.
                fixed(config, config.concurrent.unwrap_or(1)).build()?;
                Some(kept)
            }
            (Some(limit), None) => Some(ConcurrencyLimitHandle::new(fixed(config, limit))?),
        };
        Ok(Self {
            config: config.clone(),
            born,
            rate,
            concurrency,
            anew,
        })
    }

    /// Whether they are the very same.
    pub(super) fn is(&self, other: &Self) -> bool {
        // Handles that are kept are moved where they are: what differs in kind differs in the settings.
        self.config == other.config
    }

    /// Moves what was kept of `before` to where it is to be.
    pub(super) fn settle(&self, before: &Self) {
        if let Some(handle) = &self.rate {
            move_rate(handle, &rate_of(&before.config), &rate_of(&self.config));
        }
        if let (Some(handle), Some(now), Some(then)) = (
            &self.concurrency,
            before.config.concurrent,
            self.config.concurrent,
        ) {
            let (now, then) = (fixed(&before.config, now), fixed(&self.config, then));
            move_concurrency(handle, &now, &then);
        }
    }
}

/// What answers tell of limits is told of the providers', not of these.
fn rate_of(config: &LimitsConfig) -> RateLimitConfig {
    rate(config, rates(config)).with_learn(None)
}
