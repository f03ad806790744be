use std::{fmt, time::Duration};

use campanile::BoxError;
use seatbelt::{breaker::Breaker, retry::Retry, timeout::Timeout};
use tower::{Layer, Service, ServiceBuilder};
use tower_resilience::{
    adaptive::{AdaptiveLimiterLayer, Aimd},
    bulkhead::BulkheadLayer,
    circuitbreaker::CircuitBreakerLayer,
    ratelimiter::RateLimiterLayer,
    retry::{RetryBudgetBuilder, RetryLayer},
    timelimiter::TimeLimiterLayer,
};

use super::{Answer, Case, recovery, seatbelt};
use crate::{Instant0, guards::ALL};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::numbers(ALL, "tower-resilience, six", six),
        Case::numbers(ALL, "seatbelt, three", || {
            let context = seatbelt();
            let timeout = Timeout::layer("timeout", &context)
                .timeout_output(|_| Answer::Err(BoxError::from("late")))
                .timeout(Duration::from_secs(30));
            let breaker = Breaker::layer("breaker", &context)
                .recovery_with(|answer: &Answer, _| recovery(answer))
                .rejected_input_error(|_, _| BoxError::from("open"));
            Retry::layer("retry", &context)
                .clone_input()
                .recovery_with(|answer: &Answer, _| recovery(answer))
                .layer(breaker.layer(timeout.layer(Instant0)))
        }),
    ]
}

/// tower-resilience's guards, one within the other.
pub(crate) fn six()
-> impl Service<u64, Response = u64, Error: fmt::Debug, Future: Send> + Clone + Send + 'static {
    let budget = RetryBudgetBuilder::new().token_bucket();
    let aimd = Aimd::builder().initial_limit(1_024).max_limit(1_024);
    ServiceBuilder::new()
        .layer(
            TimeLimiterLayer::builder()
                .timeout_duration(Duration::from_secs(30))
                .build(),
        )
        .layer(
            RetryLayer::<u64, u64, _>::builder()
                .budget(budget.build().expect("the defaults are valid"))
                .build(),
        )
        .layer(
            CircuitBreakerLayer::builder()
                .build()
                .expect("the defaults are valid"),
        )
        .layer(
            RateLimiterLayer::burst(1_000_000_000, 1_000_000_000)
                .build()
                .expect("the rate is valid"),
        )
        .layer(
            BulkheadLayer::builder()
                .max_concurrent_calls(1_024)
                .build()
                .expect("the limit is valid"),
        )
        .layer(AdaptiveLimiterLayer::new(
            aimd.build().expect("the limit is valid"),
        ))
        .service(Instant0)
}
