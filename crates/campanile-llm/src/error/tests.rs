use super::*;

#[test]
fn every_class_has_an_outcome_and_a_status() {
    for class in Class::ALL {
        let outcome = class.outcome(None);
        assert_ne!(outcome, Outcome::Success, "{class:?}");
        assert_eq!(class.is_request(), outcome == Outcome::Ignored, "{class:?}");
        assert!((400..600).contains(&class.status(Some(200))), "{class:?}");
        let json = serde_json::to_string(&class).unwrap();
        assert_eq!(json, format!("\"{}\"", class.name()));
    }
}

#[test]
fn a_refusal_keeps_its_rejection() {
    let rejection = Rejection::new(RejectionKind::RateLimited, "rate_limit")
        .with_retry_after(Duration::from_secs(3));
    let error = Error::from(rejection);
    assert_eq!(error.rejection(), Some(&rejection));
    assert_eq!(error.answer_status(), 429);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    assert_eq!(Rejection::find(&error), Some(&rejection));
    assert!(error.outcome().is_refusal());
}

#[test]
fn an_error_is_one_pointer_wide() {
    assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
}
