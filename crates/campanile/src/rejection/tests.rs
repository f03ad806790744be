use std::fmt;

use super::*;
use crate::BoxError;

const KINDS: [RejectionKind; 12] = [
    RejectionKind::Empty,
    RejectionKind::Unavailable,
    RejectionKind::NotReady,
    RejectionKind::DeadlineExceeded,
    RejectionKind::CircuitOpen,
    RejectionKind::RateLimited,
    RejectionKind::ConcurrencyLimited,
    RejectionKind::BudgetExhausted,
    RejectionKind::Shed,
    RejectionKind::TimedOut,
    RejectionKind::Aborted,
    RejectionKind::Mismatched,
];

/// A user's own error, with the one conversion that layers ask for.
#[derive(Debug)]
enum Own {
    Refused(Rejection),
}

impl From<Rejection> for Own {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection)
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("own")
    }
}

impl Error for Own {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let Self::Refused(rejection) = self;
        Some(rejection)
    }
}

#[test]
fn the_status_says_whose_turn_it_is() {
    for kind in KINDS {
        let expected = match kind {
            RejectionKind::RateLimited | RejectionKind::BudgetExhausted => 429,
            RejectionKind::DeadlineExceeded | RejectionKind::TimedOut => 504,
            RejectionKind::Mismatched => 502,
            _ => 503,
        };
        assert_eq!(Rejection::new(kind, "test").status(), expected, "{kind:?}");
    }
}

#[test]
fn the_message_names_layer_reason_and_time() {
    let mut messages: Vec<_> = KINDS
        .iter()
        .map(|kind| Rejection::new(*kind, "test").to_string())
        .collect();
    assert!(messages.iter().all(|message| message.starts_with("test: ")));
    messages.sort();
    messages.dedup();
    assert_eq!(
        messages.len(),
        KINDS.len(),
        "each reason has its own message"
    );

    let timed =
        Rejection::new(RejectionKind::Shed, "test").with_retry_after(Duration::from_secs(2));
    assert!(timed.to_string().ends_with("; try again in 2s"), "{timed}");
}

#[test]
fn it_is_found_wherever_it_is() {
    let rejection = Rejection::new(RejectionKind::Shed, "test");
    assert_eq!(Rejection::find(&rejection), Some(&rejection));

    let own = Own::from(rejection);
    assert_eq!(Rejection::find(&own), Some(&rejection));

    let boxed: BoxError = Box::new(Own::from(rejection));
    assert_eq!(Rejection::find(&*boxed), Some(&rejection));

    let within = io::Error::other(Own::from(rejection));
    assert_eq!(Rejection::find(&within), Some(&rejection));

    assert_eq!(Rejection::find(&io::Error::other("text")), None);

    // The same where the type of the error is not known.
    assert_eq!(Rejection::within(&rejection), Some(&rejection));
    assert_eq!(Rejection::within(&boxed), Some(&rejection));
    assert_eq!(Rejection::within(&within), Some(&rejection));
    assert_eq!(Rejection::within(&BoxError::from("text")), None);
    assert_eq!(
        Rejection::within(&own),
        None,
        "a user's own is the classifier's"
    );
}

#[cfg(feature = "http")]
#[test]
fn the_answer_tells_whole_seconds_rounded_up() {
    for (after, seconds) in [
        (Duration::ZERO, "0"),
        (Duration::from_nanos(1), "1"),
        (Duration::from_secs(2), "2"),
        (Duration::from_millis(2_001), "3"),
        (Duration::MAX, "18446744073709551615"),
    ] {
        let response = Rejection::new(RejectionKind::RateLimited, "test")
            .with_retry_after(after)
            .to_response::<String>();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], seconds, "{after:?}");
        assert!(
            response
                .body()
                .starts_with("test: the rate limit is used up")
        );
    }
    let plain = Rejection::new(RejectionKind::Empty, "test").to_response::<String>();
    assert_eq!(plain.status(), 503);
    assert!(!plain.headers().contains_key("retry-after"));
}

#[test]
fn waits_are_told_as_people_read_them() {
    for (after, expected) in [
        (Duration::from_micros(1_200), "2ms"),
        (Duration::from_millis(999), "999ms"),
        (Duration::from_millis(1_001), "2s"),
        (Duration::from_secs(119), "119s"),
        (Duration::from_secs(121), "3m"),
        (Duration::from_secs_f64(14_738.863), "4h 6m"),
    ] {
        let rejection =
            Rejection::new(RejectionKind::RateLimited, "rate_limit").with_retry_after(after);
        let told = rejection.reason().to_string();
        assert_eq!(
            told,
            format!("the rate limit is used up; try again in {expected}")
        );
    }
}
