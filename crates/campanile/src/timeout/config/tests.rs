use super::*;

#[test]
fn the_default_limits_nothing_and_is_valid() {
    let config = TimeoutConfig::default();
    assert_eq!(config.clone().build().unwrap(), config);
    assert_eq!(
        [
            config.head,
            config.first_data,
            config.between_data,
            config.total
        ],
        [None; 4]
    );
    assert!(config.readiness);
}

#[test]
fn a_mistake_names_field_value_and_rule() {
    let zero = Duration::ZERO;
    for (config, field) in [
        (TimeoutConfig::new().with_head(zero), "head"),
        (TimeoutConfig::new().with_first_data(zero), "first_data"),
        (TimeoutConfig::new().with_between_data(zero), "between_data"),
        (TimeoutConfig::new().with_total(zero), "total"),
    ] {
        assert_eq!(
            config.build().unwrap_err().to_string(),
            format!("timeout.{field} is 0ns: it must be above 0")
        );
    }
}

#[test]
fn it_is_read_and_written_as_people_do() {
    let text =
        r#"{"head":"2s","first_data":"20s","between_data":"500ms","total":"5m","readiness":false}"#;
    let config: TimeoutConfig = serde_json::from_str(text).unwrap();
    let expected = TimeoutConfig::new()
        .with_head(Duration::from_secs(2))
        .with_first_data(Duration::from_secs(20))
        .with_between_data(Duration::from_millis(500))
        .with_total(Duration::from_secs(300))
        .with_readiness(false);
    assert_eq!(config, expected);
    assert_eq!(serde_json::to_string(&config).unwrap(), text);
    assert_eq!(
        serde_json::from_str::<TimeoutConfig>(r#"{ "head": null }"#).unwrap(),
        TimeoutConfig::default()
    );
    let unknown = serde_json::from_str::<TimeoutConfig>(r#"{ "totl": "2s" }"#).unwrap_err();
    assert!(unknown.to_string().contains("totl"), "{unknown}");
    let wrong = serde_json::from_str::<TimeoutConfig>(r#"{ "total": "soon" }"#).unwrap_err();
    assert!(wrong.to_string().contains("soon"), "{wrong}");
}

#[test]
fn each_clock_has_its_name() {
    let clocks = [
        Clock::Readiness,
        Clock::Head,
        Clock::FirstData,
        Clock::BetweenData,
        Clock::Total,
        Clock::Deadline,
    ];
    let mut names: Vec<_> = clocks
        .iter()
        .map(|clock| clock.rejection().layer())
        .collect();
    assert!(names.iter().all(|name| name.starts_with("timeout.")));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), clocks.len());
    for clock in clocks {
        assert_eq!(clock.rejection().kind(), RejectionKind::TimedOut);
        assert_eq!(clock.rejection().status(), 504);
        assert_eq!(clock.to_string(), clock.layer());
    }
}
