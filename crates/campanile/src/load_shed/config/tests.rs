use super::*;

#[test]
fn the_default_is_valid_and_sheds_least_what_matters_most() {
    let config = LoadShedConfig::default();
    assert_eq!(config.clone().build().unwrap(), config);
    let thresholds = config.thresholds;
    assert_eq!(thresholds.of(Priority::Critical), None);
    assert_eq!(thresholds.of(Priority::Normal), None);
    assert_eq!(thresholds.of(Priority::Batch), Some(0.9));
    assert_eq!(thresholds.of(Priority::Sheddable), Some(0.75));
}

#[test]
fn a_mistake_names_field_value_and_rule() {
    let refused = |thresholds: Thresholds| {
        let config = LoadShedConfig::default().with_thresholds(thresholds);
        config.build().unwrap_err().to_string()
    };
    let all = Thresholds::default();
    assert_eq!(
        refused(all.with_sheddable(Some(0.95))),
        "load_shed.thresholds.sheddable is Some(0.95): it must not be above that of a priority which matters more"
    );
    assert_eq!(
        refused(all.with_sheddable(None)),
        "load_shed.thresholds.sheddable is None: it must not be above that of a priority which matters more"
    );
    assert_eq!(
        refused(all.with_normal(Some(0.0))),
        "load_shed.thresholds.normal is 0.0: it must be a number above 0"
    );
    assert_eq!(
        refused(all.with_critical(Some(f64::NAN))),
        "load_shed.thresholds.critical is NaN: it must be a number above 0"
    );
    let equal = all
        .with_critical(Some(1.5))
        .with_normal(Some(0.9))
        .with_sheddable(Some(0.9));
    let config = LoadShedConfig::default().with_thresholds(equal);
    assert!(config.build().is_ok());
}

#[test]
fn it_is_read_and_written_as_people_do() {
    let text = r#"{"retry_after":"2s","thresholds":{"critical":null,"normal":1.0,"batch":0.5,"sheddable":0.25},"keep_instances":true}"#;
    let config: LoadShedConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config.retry_after, Duration::from_secs(2));
    assert_eq!(serde_json::to_string(&config).unwrap(), text);
    assert_eq!(
        serde_json::from_str::<LoadShedConfig>("{}").unwrap(),
        LoadShedConfig::default()
    );
    let unknown =
        serde_json::from_str::<LoadShedConfig>(r#"{ "thresholds": { "low": 1 } }"#).unwrap_err();
    assert!(unknown.to_string().contains("low"), "{unknown}");
}
