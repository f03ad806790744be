use super::*;
use serde::Deserialize;

#[derive(Debug, Deserialize, PartialEq)]
struct Settings {
    #[serde(with = "seconds")]
    pause: Duration,
    #[serde(default, with = "seconds::optional")]
    limit: Option<Duration>,
}

fn read(text: &str) -> Result<Duration, String> {
    serde_json::from_str::<Settings>(&format!(r#"{{ "pause": {text} }}"#))
        .map(|settings| settings.pause)
        .map_err(|error| error.to_string())
}

#[test]
fn a_duration_is_text_or_seconds() {
    assert_eq!(read(r#""1m 30s""#).unwrap(), Duration::from_secs(90));
    assert_eq!(read("60").unwrap(), Duration::from_secs(60));
    assert_eq!(read("0.25").unwrap(), Duration::from_millis(250));
}

#[test]
fn a_mistake_shows_what_was_written() {
    assert!(read("-1").unwrap_err().contains("-1 seconds"));
    assert!(read("-0.5").unwrap_err().contains("-0.5 seconds"));
    assert!(read("1e300").unwrap_err().contains("seconds"));
    assert!(read(r#""soon""#).unwrap_err().contains("soon"));
    assert!(read("true").unwrap_err().contains("a number of seconds"));
}

#[test]
fn a_kept_rule_is_no_error() {
    assert_eq!(Invalid::unless(true, "pool", "size", &1, "above 0"), Ok(()));
}

#[test]
fn a_duration_may_be_absent() {
    let limit = |text: &str| serde_json::from_str::<Settings>(text).unwrap().limit;
    assert_eq!(limit(r#"{ "pause": 1 }"#), None);
    assert_eq!(limit(r#"{ "pause": 1, "limit": null }"#), None);
    assert_eq!(
        limit(r#"{ "pause": 1, "limit": 2.5 }"#),
        Some(Duration::from_millis(2_500))
    );
    assert_eq!(
        limit(r#"{ "pause": 1, "limit": "2s" }"#),
        Some(Duration::from_secs(2))
    );
}

#[test]
fn a_number_in_a_text_is_one_of_seconds() {
    assert_eq!(read(r#""5""#).unwrap(), Duration::from_secs(5));
    assert_eq!(read(r#"" 0.25 ""#).unwrap(), Duration::from_millis(250));
    assert!(read(r#""-5""#).unwrap_err().contains("is no duration"));
    assert!(read(r#""inf""#).unwrap_err().contains("is no duration"));
}

#[test]
fn the_longest_is_a_hundred_years() {
    assert_eq!(read("3153600000").unwrap(), crate::time::human::MOST);
    for text in [
        "3153600001",
        "18446744073709551615",
        "1e18",
        r#""101years""#,
        r#""18446744073709551615s""#,
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains("the most are 100 years"), "{text}: {error}");
    }
}
