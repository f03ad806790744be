use campanile::circuit_breaker::CircuitBreakerConfig;
use tower::ServiceBuilder;

use super::{
    super::{ALL, Case, OURS},
    breaker::breaker,
    limit::adaptive,
    rate::{limit, requests_and_tokens, tokens},
    repeat::retry,
    timeout::four_clocks,
};
use crate::Instant0;

pub(super) fn cases() -> Vec<Case> {
    vec![Case::numbers(ALL, OURS, || {
        ServiceBuilder::new()
            .layer(four_clocks())
            .layer(retry())
            .layer(breaker(CircuitBreakerConfig::default()))
            .layer(limit(requests_and_tokens()).cost(tokens))
            .layer(adaptive())
            .service(Instant0)
    })]
}
