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

#[test]
fn a_limit_in_front_of_the_endpoints_is_named_once_and_is_the_callers_matter() {
    let refused = |kind| Error::from(Rejection::new(kind, "layer"));
    let full = RejectionKind::ConcurrencyLimited;
    let error = refused(full).limit_of("key \"a\"").limit_of("stage \"b\"");
    assert_eq!(
        error.message(),
        "key \"a\": the concurrency limit is reached; try again in 1s"
    );
    assert_eq!(
        (error.answer_status(), error.retry_after()),
        (429, Some(Duration::from_secs(1)))
    );
    assert!(error.is_callers_limit());
    // What comes from further in is not the caller's, whatever it passes on its way.
    let error = refused(full).limit_of_endpoints().limit_of("key \"a\"");
    assert_eq!((error.answer_status(), error.retry_after()), (503, None));
    let error = refused(RejectionKind::Unavailable).limit_of("key \"a\"");
    assert_eq!(error.message(), "layer: every member of the pool is closed");
    let error = Error::new(Class::Server, "broken").limit_of("key \"a\"");
    assert_eq!(error.message(), "broken");
}

#[test]
fn a_call_that_never_fits_is_told_what_would() {
    let mut shortage = campanile::rejection::Shortage::new("tokens_per_minute", Lack::TooLarge);
    (shortage.needs, shortage.left, shortage.limit) = (321, 50, 50);
    let rejection =
        Rejection::new(RejectionKind::RateLimited, "rate_limit").with_shortage(shortage);
    assert_eq!(
        Error::from(rejection).limit_of("key \"a\"").message(),
        "key \"a\": tokens_per_minute is too small for the call: it may take 321, and the limit is 50; \
         with a lower max_tokens, or a shorter prompt, it takes less"
    );
}
