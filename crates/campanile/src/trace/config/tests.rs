use super::*;
use crate::outcome::FailureKind;

#[test]
fn failures_are_warned_of_by_default_and_nothing_else_is() {
    let config = TraceConfig::default().build().unwrap();
    let level = |outcome| config.level(outcome);
    assert_eq!(level(Outcome::Success), LogLevel::Off);
    assert_eq!(level(Outcome::Cancelled), LogLevel::Debug);
    for outcome in [
        Outcome::Failure(FailureKind::Panic),
        Outcome::Throttled { retry_after: None },
        Outcome::Overloaded { retry_after: None },
        Outcome::Ignored,
    ] {
        assert_eq!(level(outcome), LogLevel::Warn, "{outcome:?}");
    }
    assert_eq!(config.highest(), LogLevel::Warn);
}

#[test]
fn each_outcome_has_its_own_level() {
    let config = TraceConfig::default()
        .with_failure(LogLevel::Error)
        .with_throttled(LogLevel::Info)
        .with_overloaded(LogLevel::Debug)
        .with_ignored(LogLevel::Trace)
        .with_cancelled(LogLevel::Off)
        .with_success(LogLevel::Trace);
    assert_eq!(
        config.level(Outcome::Failure(FailureKind::Error)),
        LogLevel::Error
    );
    assert_eq!(
        config.level(Outcome::Throttled { retry_after: None }),
        LogLevel::Info
    );
    assert_eq!(
        config.level(Outcome::Overloaded { retry_after: None }),
        LogLevel::Debug
    );
    assert_eq!(config.level(Outcome::Ignored), LogLevel::Trace);
    assert_eq!(config.level(Outcome::Cancelled), LogLevel::Off);
    assert_eq!(config.level(Outcome::Success), LogLevel::Trace);
    assert_eq!(config.highest(), LogLevel::Error);
    assert_eq!(config.with_failure(LogLevel::Off).highest(), LogLevel::Info);
}

#[test]
fn what_cannot_be_is_refused_with_field_value_and_rule() {
    let error = TraceConfig::default()
        .with_error_length(3)
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "trace.error_length is 3: it must be at least 16 bytes"
    );
    assert!(serde_json::from_str::<TraceConfig>(r#"{ "thottled": "info" }"#).is_err());
}

#[test]
fn settings_survive_serialisation() {
    let config = TraceConfig::default()
        .with_throttled(LogLevel::Info)
        .with_trail(KeepTrail::Never);
    let text = serde_json::to_string(&config).unwrap();
    assert!(text.contains(r#""throttled":"info""#), "{text}");
    assert_eq!(serde_json::from_str::<TraceConfig>(&text).unwrap(), config);
}
