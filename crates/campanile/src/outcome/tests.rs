use std::{
    error::Error,
    fmt, io,
    time::{Duration, SystemTime},
};

use ::http::{HeaderMap, HeaderValue, Response, StatusCode};
use proptest::prelude::*;

use super::*;
use crate::{BoxError, Rejection, rejection::RejectionKind};

const CAP: Duration = Duration::from_secs(300);

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn wait(pairs: &[(&'static str, &str)]) -> Option<Duration> {
    retry_after(&headers(pairs), CAP)
}

/// An error around another.
#[derive(Debug)]
struct Around(BoxError);

impl fmt::Display for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("around")
    }
}

impl Error for Around {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

// ===== ClassifyHttp =====

#[test]
fn every_status_has_its_outcome() {
    let classify = ClassifyHttp::default();
    for code in 100..=599 {
        let status = StatusCode::from_u16(code).unwrap();
        let expected = match code {
            408 | 504 => Outcome::Failure(FailureKind::Timeout),
            429 => Outcome::Throttled { retry_after: None },
            503 | 529 => Outcome::Overloaded { retry_after: None },
            500.. => Outcome::Failure(FailureKind::Server),
            400.. => Outcome::Ignored,
            _ => Outcome::Success,
        };
        assert_eq!(
            classify.status(status, &HeaderMap::new()),
            expected,
            "{code}"
        );
    }
}

#[test]
fn a_refusal_carries_the_wait_that_the_upstream_asks_for() {
    let classify = ClassifyHttp::default().cap(Duration::from_secs(5));
    for (code, retry_after) in [(429, 2), (503, 2), (529, 2)] {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(code).unwrap();
        *response.headers_mut() = headers(&[("retry-after", "2")]);
        let outcome = classify.classify(Ok::<_, &io::Error>(&response));
        assert!(outcome.is_refusal(), "{code}");
        assert_eq!(
            outcome.retry_after(),
            Some(Duration::from_secs(retry_after))
        );
    }
    let long = classify.status(
        StatusCode::TOO_MANY_REQUESTS,
        &headers(&[("retry-after", "60")]),
    );
    assert_eq!(long.retry_after(), Some(Duration::from_secs(5)), "capped");
}

#[test]
fn an_http_error_is_classified_as_any_other() {
    let error: BoxError = Rejection::new(RejectionKind::Shed, "test").into();
    let outcome = ClassifyHttp::default().classify(Err::<&Response<()>, _>(&error));
    assert_eq!(outcome, Outcome::Overloaded { retry_after: None });
}

// ===== retry_after =====

#[test]
fn retry_after_is_read_as_seconds() {
    for (value, expected) in [
        ("0", 0),
        ("7", 7_000),
        ("1.5", 1_500),
        ("  2 ", 2_000),
        ("0.001", 1),
        ("+3", 3_000),
    ] {
        assert_eq!(
            wait(&[("retry-after", value)]),
            Some(Duration::from_millis(expected)),
            "{value:?}"
        );
    }
}

#[test]
fn retry_after_is_read_as_a_date() {
    let future = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
    let read = wait(&[("retry-after", &future)]).unwrap();
    assert!(
        read > Duration::from_secs(50) && read <= Duration::from_secs(60),
        "{read:?}"
    );

    assert_eq!(
        wait(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]),
        Some(Duration::ZERO),
        "a date in the past is no wait"
    );
    let far = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(86_400));
    assert_eq!(wait(&[("retry-after", &far)]), Some(CAP));
}

#[test]
fn milliseconds_win_over_seconds_if_they_can_be_read() {
    assert_eq!(
        wait(&[("retry-after", "9"), ("retry-after-ms", "250")]),
        Some(Duration::from_millis(250))
    );
    assert_eq!(
        wait(&[("retry-after-ms", "0.5")]),
        Some(Duration::from_micros(500))
    );
    for garbage in ["", "soon", "-1", "NaN"] {
        assert_eq!(
            wait(&[("retry-after-ms", garbage), ("retry-after", "9")]),
            Some(Duration::from_secs(9)),
            "{garbage:?}"
        );
    }
}

#[test]
fn a_wait_that_cannot_be_read_is_none() {
    for garbage in [
        "",
        " ",
        "soon",
        "-1",
        "-0.5",
        "NaN",
        "nan",
        "1s",
        "1,5",
        "Sun, 99 Nov 1994 08:49:37 GMT",
    ] {
        assert_eq!(wait(&[("retry-after", garbage)]), None, "{garbage:?}");
    }
    assert_eq!(wait(&[]), None);
    let mut binary = HeaderMap::new();
    binary.insert("retry-after", HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(retry_after(&binary, CAP), None);
}

#[test]
fn a_huge_wait_is_capped() {
    for huge in ["301", "1e300", "99999999999999999999999999", "inf"] {
        assert_eq!(wait(&[("retry-after", huge)]), Some(CAP), "{huge}");
        assert_eq!(
            wait(&[("retry-after-ms", &format!("{huge}000"))]).is_some(),
            huge != "inf"
        );
    }
}

#[test]
fn the_first_of_several_headers_counts() {
    assert_eq!(
        wait(&[("retry-after", "4"), ("retry-after", "8")]),
        Some(Duration::from_secs(4))
    );
}

proptest! {
    #[test]
    fn whatever_the_header_says_the_wait_is_within_the_cap(value in "[ -~]{0,24}", cap in 0_u64..1_000) {
        let cap = Duration::from_secs(cap);
        if let Some(wait) = retry_after(&headers(&[("retry-after", &value)]), cap) {
            prop_assert!(wait <= cap);
        }
        if let Some(wait) = retry_after(&headers(&[("retry-after-ms", &value)]), cap) {
            prop_assert!(wait <= cap);
        }
    }

    #[test]
    fn no_bytes_of_a_header_panic(
        seconds in prop::collection::vec(32_u8..=255, 0..40),
        millis in prop::collection::vec(32_u8..=255, 0..40),
    ) {
        let mut map = HeaderMap::new();
        for (name, bytes) in [("retry-after", seconds), ("retry-after-ms", millis)] {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                map.append(name, value);
            }
        }
        let _ = retry_after(&map, Duration::MAX);
    }

    #[test]
    fn a_larger_number_is_no_shorter_wait(a in "[0-9]{1,40}(\\.[0-9]{1,9})?(e[0-9]{1,4})?", b in "[0-9]{1,40}(\\.[0-9]{1,9})?(e[0-9]{1,4})?") {
        let figure = |text: &str| text.parse::<f64>().unwrap();
        let (less, more) = if figure(&a) <= figure(&b) { (&a, &b) } else { (&b, &a) };
        for name in ["retry-after", "retry-after-ms"] {
            let read = |value: &str| retry_after(&headers(&[(name, value)]), Duration::MAX);
            prop_assert!(read(less).is_some());
            prop_assert!(read(less) <= read(more), "{}: {} {}", name, less, more);
        }
    }
}

// ===== classify_error =====

#[test]
fn a_rejection_says_nothing_bad_of_the_endpoint() {
    let after = Some(Duration::from_secs(3));
    let throttled = Outcome::Throttled { retry_after: after };
    let overloaded = Outcome::Overloaded { retry_after: after };
    for (kind, expected) in [
        (RejectionKind::RateLimited, throttled),
        (RejectionKind::BudgetExhausted, throttled),
        (RejectionKind::DeadlineExceeded, Outcome::Ignored),
        (RejectionKind::Empty, overloaded),
        (RejectionKind::Unavailable, overloaded),
        (RejectionKind::NotReady, overloaded),
        (RejectionKind::CircuitOpen, overloaded),
        (RejectionKind::ConcurrencyLimited, overloaded),
        (RejectionKind::Shed, overloaded),
    ] {
        let rejection = Rejection::new(kind, "test").with_retry_after(Duration::from_secs(3));
        assert_eq!(classify_error(&rejection), expected, "plain {kind:?}");

        let boxed: BoxError = rejection.into();
        assert_eq!(classify_error(&boxed), expected, "boxed {kind:?}");

        let nested: BoxError = Around(Around(boxed).into()).into();
        assert_eq!(classify_error(&nested), expected, "nested {kind:?}");

        let within = io::Error::other(rejection);
        assert_eq!(
            classify_error(&within),
            expected,
            "within an io error {kind:?}"
        );
        let boxed: BoxError = Around(within.into()).into();
        assert_eq!(
            classify_error(&boxed),
            expected,
            "within a nested io error {kind:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_told_from_other_errors() {
    let timeout = Outcome::Failure(FailureKind::Timeout);
    let failure = Outcome::Failure(FailureKind::Error);
    assert_eq!(
        classify_error(&io::Error::from(io::ErrorKind::TimedOut)),
        timeout
    );
    assert_eq!(
        classify_error(&io::Error::from(io::ErrorKind::ConnectionReset)),
        failure
    );

    let nested: BoxError = Around(io::Error::from(io::ErrorKind::TimedOut).into()).into();
    assert_eq!(classify_error(&nested), timeout);
    let boxed: BoxError = io::Error::from(io::ErrorKind::BrokenPipe).into();
    assert_eq!(classify_error(&boxed), failure);

    let elapsed = tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>())
        .await
        .unwrap_err();
    assert_eq!(classify_error(&elapsed), timeout);
    assert_eq!(classify_error(&BoxError::from(elapsed)), timeout);

    assert_eq!(classify_error(&BoxError::from("text")), failure);
    assert_eq!(classify_error(&7_u32), failure, "an error of any type");
}

#[test]
fn the_plain_classifier_takes_an_answer_for_a_success() {
    assert_eq!(
        ClassifyResult.classify(Ok::<_, &io::Error>(&1)),
        Outcome::Success
    );
    let error = io::Error::from(io::ErrorKind::TimedOut);
    assert_eq!(
        ClassifyResult.classify(Err::<&u32, _>(&error)),
        Outcome::Failure(FailureKind::Timeout)
    );
}

// ===== Outcome =====

#[test]
fn an_outcome_is_of_one_kind() {
    let all = [
        Outcome::Success,
        Outcome::Failure(FailureKind::Error),
        Outcome::Throttled { retry_after: None },
        Outcome::Overloaded { retry_after: None },
        Outcome::Ignored,
        Outcome::Cancelled,
    ];
    for outcome in all {
        let kinds = [
            outcome.is_success(),
            outcome.is_failure(),
            outcome.is_refusal(),
        ];
        assert!(kinds.iter().filter(|is| **is).count() <= 1, "{outcome:?}");
        assert_eq!(
            outcome.is_timed(),
            outcome.is_success(),
            "only work that was done is timed"
        );
    }
    assert_eq!(all.iter().filter(|outcome| outcome.is_success()).count(), 1);
}

#[test]
fn outcomes_survive_serialisation() {
    for outcome in [
        Outcome::Success,
        Outcome::Failure(FailureKind::Interrupted),
        Outcome::Throttled {
            retry_after: Some(Duration::from_millis(1_500)),
        },
        Outcome::Cancelled,
    ] {
        let text = serde_json::to_string(&outcome).unwrap();
        assert_eq!(
            serde_json::from_str::<Outcome>(&text).unwrap(),
            outcome,
            "{text}"
        );
    }
    assert_eq!(
        serde_json::to_string(&Outcome::Success).unwrap(),
        r#""success""#
    );
}
