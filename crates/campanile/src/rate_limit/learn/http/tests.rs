use proptest::prelude::*;

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

/// Noon of 2026-01-31.
fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_860_800)
}

fn read(pairs: &[(&'static str, &str)]) -> Option<Advice> {
    Headers.read(false, &headers(pairs), noon)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn go_durations() {
    for (text, expected) in [
        ("1s", 1_000),
        ("6m0s", 360_000),
        ("120ms", 120),
        ("1m30s", 90_000),
        ("1.5s", 1_500),
        ("1h2m3.5s", 3_723_500),
        ("0s", 0),
        ("0", 0),
        ("12", 12_000),
        ("0.25", 250),
        (".5s", 500),
        ("+2s", 2_000),
        ("1000us", 1),
        ("1000µs", 1),
        ("1000000ns", 1),
    ] {
        assert_eq!(text::go_duration(text), Some(ms(expected)), "{text}");
    }
    for garbage in [
        "", " ", "s", "m", "-1s", "1x", "1s2", "1..5s", "1e3s", "inf", "NaN", "nans", "1 s",
        "soon", ".", ".s", "--", "1m-2s",
    ] {
        assert_eq!(text::go_duration(garbage), None, "{garbage:?}");
    }
    let huge = "9".repeat(400) + "h";
    assert_eq!(text::go_duration(&huge), Some(Duration::MAX));
}

#[test]
fn times_of_rfc_3339() {
    let since = |text| {
        text::rfc3339(text).map(|at| {
            at.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
                .as_millis()
        })
    };
    for (text, expected) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-31T12:00:00Z", 1_769_860_800_000),
        ("2026-01-31t12:00:00z", 1_769_860_800_000),
        ("2026-01-31 12:00:00Z", 1_769_860_800_000),
        ("2026-01-31T12:00:00.25Z", 1_769_860_800_250),
        ("2026-01-31T12:00:00.123456789123Z", 1_769_860_800_123),
        ("2026-01-31T14:30:00+02:30", 1_769_860_800_000),
        ("2026-01-31T04:00:00-08:00", 1_769_860_800_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2000-03-01T00:00:00Z", 951_868_800_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000),
    ] {
        assert_eq!(since(text), Some(expected), "{text}");
    }
    for garbage in [
        "",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00+0230",
        "2026-01-31T12:00:00+24:00",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "2026-01-31x12:00:00Z",
        "2026/01/31T12:00:00Z",
        "+026-01-31T12:00:00Z",
        "2026-01-31T12:00:00Zzz",
        "1769860800",
    ] {
        assert_eq!(since(garbage), None, "{garbage:?}");
    }
}

#[test]
fn openai_headers() {
    let advice = read(&[
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-limit-tokens", "150000"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ])
    .unwrap();
    assert_eq!(
        advice,
        Advice {
            retry_after: None,
            requests: Some(Quota {
                limit: Some(60),
                remaining: Some(59),
                reset: Some(ms(1_000)),
            }),
            tokens: Some(Quota {
                limit: Some(150_000),
                remaining: Some(0),
                reset: Some(ms(360_000)),
            }),
        }
    );
}

#[test]
fn anthropic_headers() {
    let advice = read(&[
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-requests-remaining", "49"),
        ("anthropic-ratelimit-requests-reset", "2026-01-31T12:00:30Z"),
        ("anthropic-ratelimit-tokens-remaining", "700"),
        ("anthropic-ratelimit-input-tokens-remaining", "0"),
    ])
    .unwrap();
    assert_eq!(advice.requests.unwrap().reset, Some(ms(30_000)));
    assert_eq!(
        advice.tokens.unwrap().remaining,
        Some(700),
        "the most restrictive"
    );
    let past = read(&[("anthropic-ratelimit-tokens-reset", "2020-01-01T00:00:00Z")]).unwrap();
    assert_eq!(past.tokens.unwrap().reset, Some(Duration::ZERO));
}

#[test]
fn input_and_output_tokens_count_together_unless_one_is_exhausted() {
    let input = [
        ("anthropic-ratelimit-input-tokens-limit", "1000"),
        ("anthropic-ratelimit-input-tokens-remaining", "900"),
        (
            "anthropic-ratelimit-input-tokens-reset",
            "2026-01-31T12:00:10Z",
        ),
        ("anthropic-ratelimit-output-tokens-limit", "100"),
    ];
    let mut more = input.to_vec();
    more.push(("anthropic-ratelimit-output-tokens-remaining", "50"));
    assert_eq!(
        read(&more).unwrap().tokens,
        Some(Quota {
            limit: Some(1_100),
            remaining: Some(950),
            reset: Some(ms(10_000)),
        })
    );
    let mut none = input.to_vec();
    none.push(("anthropic-ratelimit-output-tokens-remaining", "0"));
    none.push((
        "anthropic-ratelimit-output-tokens-reset",
        "2026-01-31T12:00:20Z",
    ));
    let tokens = read(&none).unwrap().tokens.unwrap();
    assert_eq!(
        (tokens.remaining, tokens.reset),
        (Some(0), Some(ms(20_000)))
    );
}

#[test]
fn a_wait_counts_on_a_429_alone() {
    let pairs = headers(&[("retry-after", "7")]);
    let advice = Headers.read(true, &pairs, noon).unwrap();
    assert_eq!(advice.retry_after, Some(ms(7_000)));
    assert_eq!(Headers.read(false, &pairs, noon), None);
}

#[test]
fn what_is_missing_or_garbled_is_not_there() {
    assert_eq!(read(&[]), None);
    assert_eq!(
        read(&[
            ("x-ratelimit-limit-requests", "many"),
            ("x-ratelimit-remaining-requests", "-1"),
            ("x-ratelimit-reset-requests", "soon"),
            ("x-ratelimit-limit-tokens", "99999999999999999999999"),
            ("anthropic-ratelimit-tokens-reset", "tomorrow"),
        ]),
        None
    );
    let mut binary = HeaderMap::new();
    binary.insert(
        "x-ratelimit-remaining-requests",
        http::HeaderValue::from_bytes(b"\xff\xfe").unwrap(),
    );
    assert_eq!(Headers.read(true, &binary, noon), None);
    let partly = read(&[
        ("x-ratelimit-remaining-requests", " 3 "),
        ("x-ratelimit-reset-requests", ""),
    ]);
    let requests = partly.unwrap().requests.unwrap();
    assert_eq!((requests.remaining, requests.reset), (Some(3), None));
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = text::go_duration(&text);
        let _ = text::rfc3339(&text);
    }

    #[test]
    fn nothing_that_looks_like_a_duration_panics(text in "[-+.0-9a-zµ]{0,40}") {
        let _ = text::go_duration(&text);
    }

    #[test]
    fn nothing_that_looks_like_a_time_panics(
        text in "[0-9]{4}[-/][0-9]{2}-[0-9]{2}[Tt x][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,12})?(Z|[-+][0-9]{2}:[0-9]{2})?",
    ) {
        let _ = text::rfc3339(&text);
    }

    #[test]
    fn no_header_panics(value in prop::collection::vec(32_u8..=255, 0..40)) {
        let Ok(value) = http::HeaderValue::from_bytes(&value) else { return Ok(()); };
        let mut headers = HeaderMap::new();
        for name in names::REQUESTS.into_iter().chain(names::ANTHROPIC_TOKENS).chain(["retry-after"]) {
            headers.insert(name, value.clone());
        }
        let _ = Headers.read(true, &headers, noon);
    }

    #[test]
    fn durations_are_read_as_they_are_written(h in 0_u64..100, m in 0_u64..60, s in 0_u64..60, millis in 0_u64..1_000) {
        let text = format!("{h}h{m}m{s}.{millis:03}s");
        let expected = Duration::from_millis(((h * 60 + m) * 60 + s) * 1_000 + millis);
        let read = text::go_duration(&text).unwrap();
        prop_assert!(read.abs_diff(expected) < Duration::from_nanos(100), "{text}: {read:?}");
    }

    #[test]
    fn times_are_read_as_they_are_written(days in 0_i64..2_900_000, second in 0_i64..86_400) {
        // Counted day by day, not by formula.
        let (mut year, mut left) = (1970, days);
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        while left >= 365 + i64::from(leap(year)) {
            left -= 365 + i64::from(leap(year));
            year += 1;
        }
        prop_assume!(year <= 9_999);
        let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut month = 0;
        while left >= lengths[month] {
            left -= lengths[month];
            month += 1;
        }
        let (hour, minute, rest) = (second / 3_600, second / 60 % 60, second % 60);
        let text = format!("{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{rest:02}Z", month + 1, left + 1);
        let at = text::rfc3339(&text).unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        prop_assert_eq!(at.as_secs() as i64, days * 86_400 + second, "{}", text);
    }

    #[test]
    fn a_larger_figure_is_no_shorter_duration(
        a in "[0-9]{1,40}(\\.[0-9]{1,12})?",
        b in "[0-9]{1,40}(\\.[0-9]{1,12})?",
        unit in "(h|m|s|ms|us|ns)?",
    ) {
        let figure = |text: &str| text.parse::<f64>().unwrap();
        let read = |text: &str| text::go_duration(&format!("{text}{unit}")).unwrap();
        let (less, more) = if figure(&a) <= figure(&b) { (&a, &b) } else { (&b, &a) };
        prop_assert!(read(less) <= read(more), "{less}{unit} {more}{unit}");
        // A part more never makes it shorter.
        if !unit.is_empty() {
            let both = text::go_duration(&format!("{a}{unit}{b}{unit}")).unwrap();
            prop_assert!(both >= read(&a).max(read(&b)));
        }
    }

    #[test]
    fn a_later_time_is_later(
        a in "(19[7-9]|20[0-9])[0-9]-0[1-9]-[0-2][1-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{9}Z",
        b in "(19[7-9]|20[0-9])[0-9]-0[1-9]-[0-2][1-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{9}Z",
    ) {
        // Written like this, they are in the order of their texts.
        prop_assert_eq!(text::rfc3339(&a).unwrap().cmp(&text::rfc3339(&b).unwrap()), a.cmp(&b));
    }

    #[test]
    fn any_mix_of_headers_is_borne(
        values in prop::collection::vec(
            prop::option::of(prop_oneof![
                any::<u64>().prop_map(|number| number.to_string()),
                "[0-9]{1,30}(h|m|s|ms)?",
                "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[-+][0-9]{2}:[0-9]{2})",
                "[ -~]{0,10}",
            ]),
            20,
        ),
        throttled: bool,
    ) {
        let known = [
            names::REQUESTS,
            names::TOKENS,
            names::ANTHROPIC_REQUESTS,
            names::ANTHROPIC_TOKENS,
            names::ANTHROPIC_INPUT,
            names::ANTHROPIC_OUTPUT,
        ];
        let known = known.into_iter().flatten().chain(["retry-after", "retry-after-ms"]);
        let mut headers = HeaderMap::new();
        for (name, value) in known.zip(&values) {
            if let Some(value) = value {
                headers.insert(name, value.parse().unwrap());
            }
        }
        let advice = Headers.read(throttled, &headers, noon).unwrap_or_default();
        prop_assert!(throttled || advice.retry_after.is_none());
        prop_assert!(advice.retry_after.is_none_or(|wait| wait <= LONGEST));
    }
}
