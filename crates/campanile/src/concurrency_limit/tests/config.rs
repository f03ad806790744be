use super::*;
use crate::concurrency_limit::algorithm::{AlgorithmConfig, StaticConfig};

#[track_caller]
fn refused(config: ConcurrencyLimitConfig) -> String {
    let error = ConcurrencyLimitLayer::new(config).unwrap_err();
    assert_eq!(ConcurrencyLimitHandle::new(config).unwrap_err(), error);
    error.to_string()
}

/// tower-resilience accepts it, and ends all traffic.
#[test]
fn a_floor_of_zero_is_refused() {
    let config = ConcurrencyLimitConfig {
        min_limit: 0,
        ..ConcurrencyLimitConfig::default()
    };
    assert_eq!(
        refused(config),
        "concurrency_limit.min_limit is 0: it must be at least 1"
    );
}

#[test]
fn settings_that_cannot_be_are_named() {
    let good = ConcurrencyLimitConfig::default();
    assert_eq!(good.build().unwrap(), good);
    let cap = ConcurrencyLimitConfig {
        min_limit: 10,
        max_limit: 9,
        ..good
    };
    assert_eq!(
        refused(cap),
        "concurrency_limit.max_limit is 9: it must not be below min_limit"
    );
    assert_eq!(
        refused(ConcurrencyLimitConfig::fixed(1_000_001)),
        "concurrency_limit.max_limit is 1000001: it must not be above 1000000"
    );
    assert_eq!(
        refused(good.waiting(0, SEC)),
        "concurrency_limit.max_waiting is 0: it must be at least 1, unless calls are refused"
    );
    assert_eq!(
        refused(good.waiting(1, Duration::ZERO)),
        "concurrency_limit.max_wait is 0ns: it must be above 0, unless calls are refused"
    );
    assert_eq!(
        refused(ConcurrencyLimitConfig::fixed(0)),
        "static.limit is 0: it must be at least 1"
    );
    let low = ConcurrencyLimitConfig {
        min_limit: 5,
        ..ConcurrencyLimitConfig::fixed(4)
    };
    assert_eq!(
        refused(low),
        "concurrency_limit.algorithm.static.limit is 4: it must be between min_limit and max_limit"
    );
}

#[test]
fn settings_can_be_read_and_written() {
    let text = r#"{
        "algorithm": "vegas", "signal": "per_token", "min_limit": 2, "max_limit": 64,
        "when_full": "wait", "max_waiting": 7, "max_wait": "1m 30s"
    }"#;
    let config: ConcurrencyLimitConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config.algorithm, AlgorithmConfig::named("vegas").unwrap());
    assert_eq!(config.signal, Signal::PerToken);
    assert_eq!(config.max_wait, 90 * SEC);
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(
        serde_json::from_str::<ConcurrencyLimitConfig>(&written).unwrap(),
        config
    );

    let config: ConcurrencyLimitConfig = serde_json::from_str("{}").unwrap();
    assert_eq!(config, ConcurrencyLimitConfig::default());
    assert_eq!(config.algorithm, AlgorithmConfig::named("elastic").unwrap());
    let error = serde_json::from_str::<ConcurrencyLimitConfig>(r#"{ "maximum": 3 }"#);
    assert!(error.unwrap_err().to_string().contains("maximum"));
}

#[test]
fn each_algorithm_can_be_had_by_its_name() {
    for name in ["elastic", "static", "aimd", "vegas", "gradient2"] {
        let text = format!(r#"{{ "algorithm": "{name}" }}"#);
        let config: ConcurrencyLimitConfig = serde_json::from_str(&text).unwrap();
        let handle = ConcurrencyLimitHandle::new(config).unwrap();
        assert_eq!(handle.snapshot().adapts, name != "static", "{name}");
        assert!(handle.limit() >= 1, "{name}");
    }
    let fixed = ConcurrencyLimitConfig::fixed(5_000).build().unwrap();
    assert_eq!(
        fixed.algorithm,
        AlgorithmConfig::Static(StaticConfig { limit: 5_000 })
    );
}
