use super::*;

fn refused(change: impl FnOnce(&mut BalanceConfig)) -> String {
    let mut config = BalanceConfig::default();
    change(&mut config);
    config.build().unwrap_err().to_string()
}

#[test]
fn the_default_is_valid() {
    let config = BalanceConfig::default();
    assert_eq!(config.clone().build().unwrap(), config);
    let impatient = BalanceConfig {
        patience: Duration::ZERO,
        unready_backoff_max: config.unready_backoff,
        window: 1,
        ..config
    };
    assert!(impatient.build().is_ok(), "no patience at all is a choice");
}

#[test]
fn a_mistake_names_field_value_and_rule() {
    assert_eq!(
        refused(|config| config.unready_backoff = Duration::ZERO),
        "balance.unready_backoff is 0ns: it must be above 0"
    );
    assert_eq!(
        refused(|config| config.unready_backoff_max = Duration::from_millis(99)),
        "balance.unready_backoff_max is 99ms: it must not be below unready_backoff"
    );
    assert_eq!(
        refused(|config| config.window = 0),
        "balance.window is 0: it must be at least 1"
    );
}

#[test]
fn it_is_read_and_written_as_people_do() {
    let text = r#"{"patience":"2s","unready_backoff":"50ms","unready_backoff_max":"1m","window":8,"seed":7}"#;
    let config: BalanceConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config.patience, Duration::from_secs(2));
    assert_eq!(config.unready_backoff_max, Duration::from_secs(60));
    assert_eq!(serde_json::to_string(&config).unwrap(), text);
    assert_eq!(
        serde_json::from_str::<BalanceConfig>("{}").unwrap(),
        BalanceConfig::default()
    );
    let unknown = serde_json::from_str::<BalanceConfig>(r#"{ "patence": "2s" }"#).unwrap_err();
    assert!(unknown.to_string().contains("patence"), "{unknown}");
}
