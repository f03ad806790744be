use super::*;

fn read(text: &str) -> RateLimitConfig {
    serde_json::from_str(text).unwrap()
}

fn wrong(text: &str) -> String {
    match serde_json::from_str::<RateLimitConfig>(text) {
        Ok(config) => config.build().unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_field_can_be_written() {
    let config = read(
        r#"{
            "requests": { "rate": 500, "per": "1m", "burst": 20, "min": 10, "max": 1000 },
            "tokens": { "rate": 2e6, "per": "1m" },
            "nano_dollars": { "rate": 1e9, "per": "1h", "burst": 5000000000 },
            "max_wait": "250ms",
            "max_waiting": 7,
            "oversize": "debt",
            "cached_tokens": "free",
            "max_keys": 10,
            "learn": { "slow_down": 0.7, "recover": 0.1, "recover_every": "2s", "max_park": "5m", "window": "1s", "reset": "refill" }
        }"#,
    )
    .build()
    .unwrap();
    assert_eq!(
        config.requests,
        Some(
            Limit::per_minute(500.0)
                .with_burst(20)
                .with_range(10.0, 1_000.0)
        )
    );
    assert_eq!(config.tokens.unwrap().burst(), 2_000_000);
    assert_eq!(config.nano_dollars.unwrap().burst(), 5_000_000_000);
    assert_eq!(config.max_wait, Duration::from_millis(250));
    assert_eq!((config.max_waiting, config.max_keys), (7, 10));
    assert_eq!(config.oversize, Oversize::Debt);
    assert_eq!(config.cached_tokens, CachedTokens::Free);
    let learn = config.learn.clone().unwrap();
    assert_eq!((learn.slow_down, learn.recover), (0.7, 0.1));
    assert_eq!(learn.reset, Reset::Refill);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(read(&text), config, "{text}");
}

#[test]
fn defaults_limit_nothing_and_learn() {
    let config = read("{}").build().unwrap();
    assert_eq!(config, RateLimitConfig::default());
    assert_eq!(config.limits(), [None; 3]);
    assert_eq!(config.max_wait, Duration::from_secs(1));
    assert!(config.learn.is_some());
    assert!(read(r#"{ "learn": null, "rate": 1 }"#).learn.is_none());
}

#[test]
fn the_names_of_older_systems_are_read() {
    let limit = Limit::per_second(10.0).with_burst(20);
    for text in [
        r#"{ "tokens_per_second": 10.0, "burst_capacity": 20 }"#,
        r#"{ "tokens_per_second": 10, "burst_capacity": 20.0 }"#,
        r#"{ "rate_limit_per_second": 10.0, "burst": 20 }"#,
        r#"{ "rate": 10, "burst": 20 }"#,
        r#"{ "requests": { "tokens_per_second": 10.0, "burst_capacity": 20 } }"#,
    ] {
        assert_eq!(read(text).requests, Some(limit), "{text}");
    }
    assert_eq!(
        read(r#"{ "tokens": { "tokens_per_second": 5 } }"#).tokens,
        Some(Limit::per_second(5.0))
    );
}

#[test]
fn a_burst_is_what_comes_in_one_period_unless_it_is_set() {
    assert_eq!(Limit::per_second(0.2).burst(), 1);
    assert_eq!(Limit::per_second(2.5).burst(), 3);
    assert_eq!(Limit::per_minute(60.0).burst(), 60);
    assert_eq!(Limit::per_minute(60.0).min(), 3.0);
    assert_eq!(Limit::per_minute(60.0).max(), 60.0);
}

#[test]
fn errors_name_field_value_and_rule() {
    for (text, parts) in [
        (
            r#"{ "rate": 0 }"#,
            ["rate_limit.requests.rate is 0", "above 0"],
        ),
        (
            r#"{ "tokens": { "rate": -1 } }"#,
            ["rate_limit.tokens.rate is -1", "above 0"],
        ),
        (
            r#"{ "nano_dollars": { "rate": 1, "burst": 0 } }"#,
            ["rate_limit.nano_dollars.burst is 0", "at least 1"],
        ),
        (
            r#"{ "requests": { "rate": 1, "per": "0s" } }"#,
            ["rate_limit.requests.per is 0ns", "above 0"],
        ),
        (
            r#"{ "rate": 5, "max": 4 }"#,
            ["rate_limit.requests.max is 4", "not be below rate"],
        ),
        (
            r#"{ "rate": 5, "min": 6 }"#,
            ["rate_limit.requests.min is 6", "not above rate"],
        ),
        (
            r#"{ "rate": 1e13 }"#,
            ["rate_limit.requests.max is 1", "10^12 per second"],
        ),
        (
            r#"{ "rate": 1, "max_keys": 0 }"#,
            ["rate_limit.max_keys is 0", "at least 1"],
        ),
        (
            r#"{ "learn": null }"#,
            ["rate_limit.requests is None", "nothing to do"],
        ),
        (
            r#"{ "learn": { "slow_down": 0 } }"#,
            ["rate_limit.learn.slow_down is 0", "above 0"],
        ),
        (
            r#"{ "learn": { "recover": 1.5 } }"#,
            ["rate_limit.learn.recover is 1.5", "at most 1"],
        ),
        (
            r#"{ "learn": { "window": "0s" } }"#,
            ["rate_limit.learn.window is 0ns", "above 0"],
        ),
        (r#"{ "burst": 5 }"#, ["need a rate", "burst"]),
        (
            r#"{ "rate": 1, "requests": { "rate": 1 } }"#,
            ["rate and requests", "only one"],
        ),
        (r#"{ "rate": 1, "burst": 1.5 }"#, ["1.5", "whole number"]),
        (r#"{ "rate": 1, "brust": 1 }"#, ["unknown field", "brust"]),
        (
            r#"{ "rate": 1, "max_wait": "soon" }"#,
            ["soon", "no duration"],
        ),
    ] {
        let error = wrong(text);
        for part in parts {
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
