use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn durations_of_all_forms_are_read() {
    let millis = |value: Value| duration(&value).map(|wait| wait.as_millis());
    for (value, expected) in [
        (json!("22s"), 22_000),
        (json!("0.5s"), 500),
        (json!(" 3.000001s "), 3_000),
        (json!("0s"), 0),
        (json!({"seconds": 2, "nanos": 500_000_000}), 2_500),
        (json!({"seconds": "7"}), 7_000),
        (json!({"nanos": 1_000_000}), 1),
        (json!(1.5), 1_500),
        (json!("1e3s"), 1_000_000),
    ] {
        assert_eq!(millis(value.clone()), Some(expected), "{value}");
    }
    for value in [
        json!("22"),
        json!("s"),
        json!(""),
        json!("-1s"),
        json!("NaNs"),
        json!(-1),
        json!({}),
        json!({"seconds": "x"}),
        json!({"seconds": []}),
        json!([1]),
        json!(null),
        json!(true),
    ] {
        assert_eq!(millis(value.clone()), None, "{value}");
    }
    for value in [
        json!("1e300s"),
        json!("infs"),
        json!(u64::MAX),
        json!({"seconds": u64::MAX}),
    ] {
        assert_eq!(duration(&value), Some(LONGEST), "{value}");
    }
}

#[test]
fn words_of_too_long_prompts_are_known() {
    for words in [
        "the input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
        "the input length exceeds the context length",
        "prompt too long; exceeded max context length by 12 tokens",
        "request (5000 tokens) exceeds the available context size (4096 tokens)",
        "exceed_context_size_error",
    ] {
        assert!(is_too_long(words), "{words}");
    }
    for words in [
        "quota exceeded for requests per minute",
        "the context is missing",
        "stop sequences are too long",
        "",
    ] {
        assert!(!is_too_long(words), "{words}");
    }
}

#[test]
fn keys_are_left_out() {
    let key = "AIzaSyA-0123456789_abcdefghijklmnopqrstu";
    assert_eq!(without_keys("nothing"), "nothing");
    assert_eq!(without_keys("the key=short one"), "the key=short one");
    assert_eq!(
        without_keys(&format!(
            "a 'api_key:{key}' b {key}, https://x?key={key}&y=1"
        )),
        "a 'api_key:***' b AIza***, https://x?key=***&y=1"
    );
}

proptest! {
    #[test]
    fn any_text_is_borne(text in ".*") {
        let _ = duration(&json!(text));
        let _ = duration(&json!({"seconds": text, "nanos": text}));
        let _ = is_too_long(&text);
        let _ = quote(500, text.as_bytes());
        let clean = without_keys(&text);
        prop_assert!(clean.len() <= text.len());
    }

    #[test]
    fn any_bytes_are_quoted(body in prop::collection::vec(any::<u8>(), 0..3_000)) {
        prop_assert!((1..=QUOTED).contains(&quote(500, &body).chars().count()));
    }

    #[test]
    fn any_number_is_a_wait_or_none(seconds in any::<f64>(), nanos in any::<i64>()) {
        for value in [json!(format!("{seconds}s")), json!(seconds), json!({"seconds": seconds, "nanos": nanos})] {
            if let Some(wait) = duration(&value) {
                prop_assert!(wait <= LONGEST);
            }
        }
    }

    #[test]
    fn a_longer_time_is_no_shorter_wait(a in 0.0..1e12, b in 0.0..1e12) {
        let wait = |seconds: f64| duration(&json!(format!("{seconds}s")));
        prop_assert!(wait(a).is_some());
        if a <= b {
            prop_assert!(wait(a) <= wait(b));
        } else {
            prop_assert!(wait(a) >= wait(b));
        }
    }

    #[test]
    fn no_key_passes(before in "[ -~]{0,20}", key in "[A-Za-z0-9_-]{35}", after in "[ '\",&)]{0,5}") {
        let text = format!("{before}AIza{key}{after} {before}api_key:{key}{after}");
        prop_assert!(!without_keys(&text).contains(&key));
    }
}
