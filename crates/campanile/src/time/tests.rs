use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Config {
    #[serde(with = "human")]
    wait: Duration,
}

fn read(text: &str) -> Result<Duration, serde_json::Error> {
    serde_json::from_value::<Config>(serde_json::json!({ "wait": text })).map(|config| config.wait)
}

#[test]
fn durations_are_read_as_people_write_them() {
    for (text, millis) in [
        ("30s", 30_000),
        ("250ms", 250),
        ("1m 30s", 90_000),
        ("2h", 7_200_000),
        ("0s", 0),
    ] {
        assert_eq!(read(text).unwrap(), Duration::from_millis(millis), "{text}");
    }
}

#[test]
fn a_text_that_is_no_duration_is_shown() {
    for text in ["", "30x", "fast", "-1s"] {
        let error = read(text).unwrap_err().to_string();
        assert!(
            error.contains(&format!("{text:?} is no duration")),
            "{error}"
        );
    }
    assert!(
        serde_json::from_str::<Config>(r#"{ "wait": 30 }"#).is_err(),
        "a number has no unit"
    );
}

#[test]
fn durations_survive_serialisation() {
    for wait in [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_millis(1_500),
        Duration::from_secs(86_400 * 400),
    ] {
        let text = serde_json::to_string(&Config { wait }).unwrap();
        assert_eq!(
            serde_json::from_str::<Config>(&text).unwrap().wait,
            wait,
            "{text}"
        );
    }
}

#[test]
fn arithmetic_stays_within_bounds() {
    assert_eq!(Timestamp::MAX.after(Duration::from_secs(1)), Timestamp::MAX);
    assert_eq!(Timestamp::ZERO.after(Duration::MAX), Timestamp::MAX);
    assert_eq!(Timestamp::ZERO.since(Timestamp::MAX), Duration::ZERO);
    assert_eq!(
        Timestamp::from_nanos(5)
            .after(Duration::from_nanos(7))
            .as_nanos(),
        12
    );
    assert_eq!(nanos(Duration::MAX), u64::MAX);
}

#[cfg(feature = "testing")]
#[tokio::test(start_paused = true)]
async fn the_clock_follows_paused_time() {
    let before = Timestamp::now();
    assert_eq!(Timestamp::now(), before);
    tokio::time::advance(Duration::from_millis(250)).await;
    let after = Timestamp::now();
    assert_eq!(after.since(before), Duration::from_millis(250));
    assert!(before > Timestamp::ZERO);

    let instant = Instant::now() + Duration::from_secs(3);
    let moment = Timestamp::from_instant(instant, after);
    assert_eq!(moment.since(after), Duration::from_secs(3));
    assert_eq!(moment.to_instant(after), instant);
    let past = Timestamp::from_instant(Instant::now() - Duration::from_millis(100), after);
    assert_eq!(after.since(past), Duration::from_millis(100));
    assert!(
        Timestamp::MAX.to_instant(after) > instant,
        "a far moment is far, and no overflow"
    );
}
