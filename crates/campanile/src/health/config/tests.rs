use super::*;

#[test]
fn the_defaults_are_those_of_the_docs() {
    let config = HealthConfig::default();
    assert_eq!(config.interval, Duration::from_secs(60));
    assert_eq!(config.timeout, Duration::from_secs(10));
    assert_eq!(config.unhealthy_after, 3);
    assert_eq!(config.unhealthy_interval, Duration::from_secs(300));
    assert_eq!(config.healthy_after, 1);
    assert_eq!(config.jitter, 0.2);
    assert_eq!(config.max_concurrent, 16);
    assert_eq!(config.start, Start::Open);
    assert_eq!(config.paid_per_hour, None);
    assert_eq!(config.panic_threshold, PanicThreshold(0.5));
    assert_eq!(config.build(), Ok(config));
}

#[test]
fn each_field_that_is_out_of_range_is_named() {
    let config = HealthConfig::default();
    for (field, config) in [
        ("interval", config.with_interval(Duration::ZERO)),
        ("timeout", config.with_timeout(Duration::ZERO)),
        (
            "unhealthy_interval",
            config.with_unhealthy_interval(Duration::from_nanos(1)),
        ),
        ("unhealthy_after", config.with_unhealthy_after(0)),
        ("healthy_after", config.with_healthy_after(0)),
        ("jitter", config.with_jitter(1.1)),
        ("jitter", config.with_jitter(f64::NAN)),
        ("max_concurrent", config.with_max_concurrent(0)),
        ("paid_per_hour", config.with_paid_per_hour(Some(0))),
        (
            "panic_threshold",
            config.with_panic_threshold(PanicThreshold(-0.1)),
        ),
        (
            "panic_threshold",
            config.with_panic_threshold(PanicThreshold(f64::NAN)),
        ),
    ] {
        let error = config.build().unwrap_err();
        assert_eq!((error.concern, error.field), ("health", field));
    }
}

#[test]
fn a_probe_that_costs_money_needs_a_cap() {
    let error = HealthConfig::default().build_for(true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "health.paid_per_hour is None: a probe that costs money needs a cap"
    );
    assert!(HealthConfig::default().build_for(false).is_ok());
    let capped = HealthConfig::default().with_paid_per_hour(Some(1));
    assert!(capped.build_for(true).is_ok());
}

#[test]
fn settings_survive_serialisation_and_unknown_ones_are_refused() {
    let config = HealthConfig::default()
        .with_start(Start::Closed)
        .with_panic_threshold(PanicThreshold(0.3))
        .with_paid_per_hour(Some(7));
    let text = serde_json::to_string(&config).unwrap();
    assert!(text.contains(r#""interval":"1m""#), "{text}");
    assert_eq!(serde_json::from_str::<HealthConfig>(&text).unwrap(), config);
    assert!(serde_json::from_str::<HealthConfig>(r#"{ "intervall": "1s" }"#).is_err());
}
