use campanile::{
    Cost,
    rate_limit::{Limit, RateLimitConfig, RateLimitLayer},
};
use tower::Layer;

use super::super::{Case, KEYED, KEYS, OURS, RATE, RATES};
use crate::Instant0;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::numbers(RATE, OURS, || limit(requests()).layer(Instant0)),
        Case::numbers(RATES, OURS, || {
            limit(requests_and_tokens()).cost(tokens).layer(Instant0)
        }),
        Case::numbers(KEYED, OURS, || {
            limit(requests())
                .keyed(|number: &u64| number % KEYS)
                .layer(Instant0)
        }),
    ]
}

/// More than anyone can ask for.
const PLENTY: Limit = Limit::per_second(1e9);

fn requests() -> RateLimitConfig {
    RateLimitConfig::requests(PLENTY)
}

pub(super) fn requests_and_tokens() -> RateLimitConfig {
    requests().with_tokens(PLENTY.with_burst(1 << 40))
}

pub(super) fn limit(config: RateLimitConfig) -> RateLimitLayer {
    RateLimitLayer::new(config).expect("the limits are valid")
}

/// What a call is estimated to take.
pub(super) fn tokens(_: &u64) -> Cost {
    Cost {
        tokens: 1,
        ..Cost::default()
    }
}
