use super::*;

const SEC: Duration = Duration::from_secs(1);

fn refused(config: CircuitBreakerConfig) -> String {
    config.build().unwrap_err().to_string()
}

fn read(text: &str) -> CircuitBreakerConfig {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_default_is_valid_and_trips_by_failures_in_a_row_alone() {
    let config = CircuitBreakerConfig::default();
    assert_eq!(config.build().unwrap(), config);
    assert_eq!(config.failure_threshold, Some(5));
    assert_eq!(config.open_for, 30 * SEC);
    assert_eq!(config.half_open_max_calls, 3);
    assert!(!config.has_rates());
}

#[test]
fn the_names_of_replaced_systems_are_read() {
    let text = r#"{ "failure_threshold": 7, "recovery_timeout": 45, "half_open_max_calls": 2 }"#;
    let config = read(text);
    assert_eq!(config.failure_threshold, Some(7));
    assert_eq!(config.open_for, 45 * SEC);
    assert_eq!(config.half_open_max_calls, 2);
    assert_eq!(config.successes(), 2);
    for text in [
        r#"{ "recovery_timeout": 1.5 }"#,
        r#"{ "reset_timeout": "1500ms" }"#,
        r#"{ "open_for": "1s 500ms" }"#,
    ] {
        assert_eq!(read(text).open_for, SEC * 3 / 2, "{text}");
    }
    assert_eq!(
        read(r#"{ "slow_call_duration": 2 }"#).slow_call,
        Some(2 * SEC)
    );
    assert_eq!(read(r#"{ "slow_call": null }"#).slow_call, None);
    // A longer recovery than the cap of growing ones is no mistake.
    let long = read(r#"{ "recovery_timeout": 600 }"#).build().unwrap();
    assert_eq!(long.opens_for(3), 600 * SEC);
}

#[test]
fn it_is_written_as_it_is_read() {
    let config = read(
        r#"{ "failure_threshold": null, "failure_rate": 0.4, "slow_rate": 0.9, "slow_call": "20s",
             "slow_until": "first_data", "window": { "calls": 50 }, "min_calls": 10, "cancelled": "failure" }"#,
    );
    assert_eq!(config.window, WindowKind::Calls(50));
    assert_eq!(config.slow_until, SlowUntil::FirstData);
    assert_eq!(config.cancelled, CancelledPolicy::Failure);
    let text = serde_json::to_string(&config.build().unwrap()).unwrap();
    assert_eq!(read(&text), config);
    assert!(text.contains(r#""slow_call":"20s""#), "{text}");
    assert_eq!(
        read(r#"{ "window": { "time": "1m" } }"#).window,
        WindowKind::Time(60 * SEC)
    );
    assert_eq!(read("{}"), CircuitBreakerConfig::default());
    let unknown = serde_json::from_str::<CircuitBreakerConfig>(r#"{ "treshold": 5 }"#);
    assert!(unknown.unwrap_err().to_string().contains("treshold"));
}

#[test]
fn a_mistake_names_field_value_and_rule() {
    let config = CircuitBreakerConfig::default();
    for (config, message) in [
        (
            config.with_failure_threshold(Some(0)),
            "failure_threshold is Some(0): it must be at least 1, or none",
        ),
        (
            config.with_failure_threshold(None),
            "failure_threshold is None: something must trip it: this, failure_rate or slow_rate",
        ),
        (
            config.with_failure_rate(Some(1.5)),
            "failure_rate is Some(1.5): it must be above 0 and at most 1",
        ),
        (
            config.with_failure_rate(Some(f64::NAN)),
            "failure_rate is Some(NaN): it must be above 0 and at most 1",
        ),
        (
            config.with_slow_rate(Some(0.5)),
            "slow_call is None: slow_rate needs it",
        ),
        (
            config.with_slow_call(Some(Duration::ZERO)),
            "slow_call is Some(0ns): it must be above 0, or none",
        ),
        (
            config.with_cancelled(CancelledPolicy::Failure),
            "slow_call is None: cancelled calls that count as failures need it",
        ),
        (
            config.with_window(WindowKind::Calls(0)),
            "window is Calls(0): it must be of 1 to 100,000 calls, or of at least 10ms",
        ),
        (
            config
                .with_failure_rate(Some(0.5))
                .with_window(WindowKind::Calls(5)),
            "min_calls is 8: it must not be above the window's number of calls",
        ),
        (
            config.with_min_calls(0),
            "min_calls is 0: it must be at least 1",
        ),
        (
            config.with_overload_weight(-0.1),
            "overload_weight is -0.1: it must be from 0 to 1",
        ),
        (
            config.with_open_for(Duration::ZERO),
            "open_for is 0ns: it must be above 0",
        ),
        (
            config.with_open_factor(0.5),
            "open_factor is 0.5: it must be at least 1",
        ),
        (
            config.with_half_open_max_calls(0),
            "half_open_max_calls is 0: it must be at least 1",
        ),
        (
            config.with_half_open_successes(Some(0)),
            "half_open_successes is Some(0): it must be at least 1",
        ),
        (
            config.with_half_open_lease(Duration::ZERO),
            "half_open_lease is 0ns: it must be above 0",
        ),
    ] {
        assert_eq!(refused(config), format!("circuit_breaker.{message}"));
    }
}

#[test]
fn the_time_open_grows_to_its_cap() {
    let config = CircuitBreakerConfig::default();
    let times: Vec<_> = (0..6)
        .map(|streak| config.opens_for(streak).as_secs())
        .collect();
    assert_eq!(times, [30, 60, 120, 240, 300, 300]);
    assert_eq!(config.opens_for(u32::MAX), 300 * SEC);
}
