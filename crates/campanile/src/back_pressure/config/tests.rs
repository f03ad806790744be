use super::*;

fn refused(change: impl FnOnce(&mut BackPressureConfig)) -> String {
    let mut config = BackPressureConfig::default();
    change(&mut config);
    config.build().unwrap_err().to_string()
}

#[test]
fn the_default_is_the_rule_of_the_replaced_system() {
    let config = BackPressureConfig::default().build().unwrap();
    let seconds = Duration::from_secs;
    assert_eq!(config.window, seconds(10));
    assert_eq!((config.low_error_rate, config.high_error_rate), (0.05, 0.2));
    assert_eq!(
        (config.low_latency, config.high_latency),
        (seconds(5), seconds(30))
    );
    assert_eq!((config.capacity_cut, config.rate_cut), (0.25, 0.5));
    assert_eq!((config.capacity_growth, config.rate_growth), (0.33, 0.25));
}

#[test]
fn a_mistake_names_field_value_and_rule() {
    for (error, says) in [
        (
            refused(|config| config.window = Duration::ZERO),
            "window is 0ns: it must be above 0 and at most 1h",
        ),
        (
            refused(|config| config.window = Duration::from_secs(3601)),
            "window is 3601s: it must be above 0 and at most 1h",
        ),
        (
            refused(|config| config.minimum_calls = 0),
            "minimum_calls is 0: it must be at least 1",
        ),
        (
            refused(|config| config.high_error_rate = 20.0),
            "high_error_rate is 20.0: it must be from 0 to 1",
        ),
        (
            refused(|config| config.low_error_rate = 0.3),
            "low_error_rate is 0.3: it must be from 0 to high_error_rate",
        ),
        (
            refused(|config| config.low_latency = Duration::from_secs(31)),
            "low_latency is 31s: it must not be above high_latency",
        ),
        (
            refused(|config| config.rate_cut = 1.0),
            "rate_cut is 1.0: it must be from 0 to below 1",
        ),
        (
            refused(|config| config.capacity_growth = f64::NAN),
            "capacity_growth is NaN: it must not be below 0",
        ),
    ] {
        assert_eq!(error, format!("back_pressure.{says}"));
    }
}

#[test]
fn it_is_read_and_written_as_people_do() {
    let text =
        r#"{ "window": "1m", "high_latency": 12.5, "signal": "first_data", "quantile": 0.95 }"#;
    let config: BackPressureConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config.window, Duration::from_secs(60));
    assert_eq!(config.high_latency, Duration::from_millis(12_500));
    assert_eq!(config.signal, Signal::FirstData);
    let written = serde_json::to_string(&config).unwrap();
    assert!(
        written.contains(r#""high_latency":"12s 500ms""#),
        "{written}"
    );
    assert_eq!(
        serde_json::from_str::<BackPressureConfig>(&written).unwrap(),
        config
    );
    let unknown = serde_json::from_str::<BackPressureConfig>(r#"{ "windw": "1s" }"#).unwrap_err();
    assert!(unknown.to_string().contains("windw"), "{unknown}");
}
