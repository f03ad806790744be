use super::*;
use crate::outcome::FailureKind;

#[test]
fn the_default_is_whatever_another_may_do_better() {
    let config = FallbackConfig::default();
    assert_eq!(config.build().unwrap(), config);
    for (outcome, falls_back) in [
        (Outcome::Success, false),
        (Outcome::Failure(FailureKind::Error), true),
        (Outcome::Failure(FailureKind::Timeout), true),
        (Outcome::Throttled { retry_after: None }, true),
        (Outcome::Overloaded { retry_after: None }, true),
        (Outcome::Ignored, false),
        (Outcome::Cancelled, false),
    ] {
        assert_eq!(config.falls_back(outcome), falls_back, "{outcome:?}");
    }
    let other = config
        .with_failure(false)
        .with_throttled(false)
        .with_overloaded(false)
        .with_ignored(true);
    assert!(other.falls_back(Outcome::Ignored));
    assert!(!other.falls_back(Outcome::Failure(FailureKind::Error)));
    assert!(!other.falls_back(Outcome::Success));
    assert!(other.build().is_ok());
}

#[test]
fn a_mistake_names_field_value_and_rule() {
    let none = FallbackConfig::default()
        .with_failure(false)
        .with_throttled(false)
        .with_overloaded(false);
    assert_eq!(
        none.build().unwrap_err().to_string(),
        "fallback.failure is false: one of failure, throttled, overloaded and ignored must be true"
    );
}

#[test]
fn it_is_read_and_written_as_people_do() {
    let text = r#"{"failure":true,"throttled":false,"overloaded":true,"ignored":true}"#;
    let config: FallbackConfig = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&config).unwrap(), text);
    assert!(!config.falls_back(Outcome::Throttled { retry_after: None }));
    let unknown = serde_json::from_str::<FallbackConfig>(r#"{ "failures": true }"#).unwrap_err();
    assert!(unknown.to_string().contains("failures"), "{unknown}");
}
