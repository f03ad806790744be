use campanile::{
    concurrency_limit::ConcurrencyLimitHandle,
    config::Invalid,
    rate_limit::{RateLimitConfig, RateLimitHandle},
};

use super::guards::{fixed, move_concurrency, move_rate, rate, rates};
use crate::config::LimitsConfig;

/// The limits of a stage, or of the whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    config: LimitsConfig,
    pub(crate) rate: Option<RateLimitHandle>,
    pub(crate) concurrency: Option<ConcurrencyLimitHandle>,
}

// ===== impl Limits =====

impl Limits {
    /// Limits as the settings say; nothing of `before` is touched. Those that can be [moved](Self::moved) are not made anew.
    pub(super) fn new(config: &LimitsConfig, before: Option<&Self>) -> Result<Self, Invalid> {
        let waits = |before: &&Self| {
            before.config.max_wait == config.max_wait
                && before.config.max_waiting == config.max_waiting
        };
        let before = before.filter(waits);
        let kept = before.and_then(|before| {
            let handle = before.rate.clone()?;
            let units = |config: &LimitsConfig| rates(config).map(|limit| limit.is_some());
            let now = rates(&before.config).into_iter().flatten();
            let then = rates(config).into_iter().flatten();
            // It moves to at most 64 times the highest rate of its beginning.
            let near = now.zip(then).all(|(now, then)| {
                then.rate / then.per.as_secs_f64() <= 32.0 * now.rate / now.per.as_secs_f64()
            });
            (units(&before.config) == units(config) && near).then_some(handle)
        });
        let rate = match (rates(config), kept) {
            ([None, None], _) => None,
            (_, Some(kept)) => Some(kept),
            _ => Some(RateLimitHandle::new(rate_of(config))?),
        };
        let kept = before.and_then(|before| before.concurrency.clone());
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
            rate,
            concurrency,
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
