use super::*;

#[test]
fn the_default_is_valid_and_a_mistake_names_field_value_and_rule() {
    let default = HedgeConfig::default();
    assert_eq!(default.clone().build().unwrap(), default);
    let refused = |config: HedgeConfig| config.build().unwrap_err().to_string();
    let learned = |delay| refused(HedgeConfig::default().with_delay(delay));
    assert_eq!(
        learned(Delay::learned(95.0)),
        "hedge.delay.percentile is 95.0: it must be from 0.5 to 0.9999"
    );
    assert_eq!(
        learned(Delay::learned(0.9).with_min_samples(0)),
        "hedge.delay.min_samples is 0: it must be at least 1"
    );
    assert_eq!(
        learned(Delay::default().with_window(Duration::ZERO)),
        "hedge.delay.window is 0ns: it must be above 0"
    );
    assert_eq!(
        refused(plain().with_share(0.0)),
        "hedge.share is 0.0: it must be from 0.001 to 1"
    );
    assert_eq!(
        refused(plain().with_burst(0)),
        "hedge.burst is 0: it must be from 1 to 1e12"
    );
    assert_eq!(
        refused(plain().with_attempts(0)),
        "hedge.attempts is Some(0): it must be at least 1"
    );
}

#[test]
fn it_is_read_and_written_as_people_do() {
    let text = r#"{"delay":{"kind":"learned","percentile":0.99,"window":"5m"},"share":0.05,"unit":"tokens","burst":5000,"attempts":2,"trail":"never"}"#;
    let config: HedgeConfig = serde_json::from_str(text).unwrap();
    let expected = HedgeConfig::default()
        .with_delay(Delay::learned(0.99).with_window(300 * SEC))
        .with_share(0.05)
        .with_unit(Unit::Tokens)
        .with_burst(5_000)
        .with_attempts(2)
        .with_trail(KeepTrail::Never);
    assert_eq!(config, expected);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<HedgeConfig>(&text).unwrap(), config);
    assert!(serde_json::from_str::<HedgeConfig>(r#"{"delay":{"kind":"fixed"}}"#).is_err());
    assert!(serde_json::from_str::<HedgeConfig>(r#"{"dely":{}}"#).is_err());
}
