use super::*;

fn refused(json: &str) -> String {
    let config: AlgorithmConfig = serde_json::from_str(json).unwrap();
    config.build().unwrap_err().to_string()
}

#[test]
fn elastic_is_the_default() {
    assert_eq!(
        AlgorithmConfig::default(),
        AlgorithmConfig::Elastic(ElasticConfig::default())
    );
    assert_eq!(
        AlgorithmConfig::named("elastic"),
        Some(AlgorithmConfig::default())
    );
}

#[test]
fn each_is_read_by_its_name_and_written_again() {
    for name in [
        "elastic",
        "static",
        "aimd",
        "vegas",
        "gradient2",
        "envoy_gradient",
    ] {
        let named: AlgorithmConfig = serde_json::from_str(&format!("{name:?}")).unwrap();
        let set: AlgorithmConfig = serde_json::from_str(&format!("{{ {name:?}: {{}} }}")).unwrap();
        assert_eq!(named, set);
        assert_eq!(Some(named), AlgorithmConfig::named(name));
        let text = serde_json::to_string(&named).unwrap();
        assert_eq!(
            serde_json::from_str::<AlgorithmConfig>(&text).unwrap(),
            named
        );
        assert!(named.build().is_ok());
    }
    let config: AlgorithmConfig =
        serde_json::from_str(r#"{ "gradient2": { "window": "250ms" } }"#).unwrap();
    let AlgorithmConfig::Gradient2(config) = config else {
        panic!("{config:?}")
    };
    assert_eq!(config.window, ms(250));
    let config: AlgorithmConfig = serde_json::from_str(r#"{ "aimd": { "slow": "5s" } }"#).unwrap();
    let AlgorithmConfig::Aimd(config) = config else {
        panic!("{config:?}")
    };
    assert_eq!(config.slow, Some(ms(5_000)));
    assert!(
        serde_json::to_string(&config)
            .unwrap()
            .contains(r#""slow":"5s""#)
    );
}

#[test]
fn a_wrong_name_is_told_the_right_ones() {
    for json in [r#""vega""#, r#"{ "vega": {} }"#] {
        let error = serde_json::from_str::<AlgorithmConfig>(json)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("vega") && error.contains("gradient2"),
            "{error}"
        );
    }
    let error =
        serde_json::from_str::<AlgorithmConfig>(r#"{ "aimd": { "inital": 4 } }"#).unwrap_err();
    assert!(error.to_string().contains("inital"), "{error}");
}

#[test]
fn a_mistake_names_field_value_and_rule() {
    // A peer takes a limit of 0, which ends all traffic.
    assert_eq!(
        refused(r#"{ "static": { "limit": 0 } }"#),
        "static.limit is 0: it must be at least 1"
    );
    assert_eq!(
        refused(r#"{ "gradient2": { "min": 0.0 } }"#),
        "gradient2.min is 0.0: it must be finite and at least 1"
    );
    assert_eq!(
        refused(r#"{ "aimd": { "decrease": 1.0 } }"#),
        "aimd.decrease is 1.0: it must be above 0 and below 1"
    );
    assert_eq!(
        refused(r#"{ "vegas": { "beta": 2.0 } }"#),
        "vegas.beta is 2.0: it must not be below alpha"
    );
    assert_eq!(
        refused(r#"{ "envoy_gradient": { "percentile": 95 } }"#),
        "envoy_gradient.percentile is 95.0: it must be above 0 and below 1"
    );
    assert_eq!(
        refused(r#"{ "elastic": { "slow_start": 1.0 } }"#),
        "elastic.slow_start is 1.0: it must be finite and above 1"
    );
}
