use std::time::Duration;

use campanile::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerLayer, WindowKind};
use tower::Layer;

use super::super::{BREAKER, Case, OURS};
use crate::Instant0;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::numbers(BREAKER, OURS, || {
            breaker(Default::default()).layer(Instant0)
        }),
        Case::numbers(BREAKER, "campanile, failure rate of 100 calls", || {
            let config = CircuitBreakerConfig::default()
                .with_failure_rate(Some(0.5))
                .with_window(WindowKind::Calls(100));
            breaker(config).layer(Instant0)
        }),
        Case::numbers(BREAKER, "campanile, failure and slow rate of 10 s", || {
            let config = CircuitBreakerConfig::default()
                .with_failure_rate(Some(0.5))
                .with_slow_rate(Some(0.5))
                .with_slow_call(Some(Duration::from_secs(5)))
                .with_window(WindowKind::Time(Duration::from_secs(10)));
            breaker(config).layer(Instant0)
        }),
    ]
}

pub(super) fn breaker(config: CircuitBreakerConfig) -> CircuitBreakerLayer {
    CircuitBreakerLayer::new(config).expect("the settings are valid")
}
