//! Every caller gets an error of its own, and the service lives on.

use std::{error::Error, fmt, io};

use super::*;
use crate::outcome::{FailureKind, Outcome, classify_error};

#[tokio::test(start_paused = true)]
async fn an_item_that_fails_fails_alone() {
    let service = over(&Upstream::taking(MS), plain());
    let calls = [1, 1_000, 2].map(|n| service.clone().oneshot(n));
    let answers = join_all(calls).await;
    assert_eq!(*answers[0].as_ref().unwrap(), 2);
    assert_eq!(answers[1].as_ref().unwrap_err().to_string(), "1000 is bad");
    assert_eq!(*answers[2].as_ref().unwrap(), 4);
    assert_eq!(service.snapshot().failed, 0);
}

#[tokio::test(start_paused = true)]
async fn the_error_of_the_whole_call_goes_to_everyone() {
    let upstream = Upstream::new(|_| (MS, Act::Fail(|| io::Error::other("down").into())));
    let service = over(&upstream, plain());
    let answers = join_all((0..3).map(|n| service.clone().oneshot(n))).await;
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!(error.to_string(), "the batch failed: down");
        let shared = error.downcast_ref::<SharedError>().unwrap();
        assert!(shared.get_ref().is::<io::Error>());
        assert!(error.source().unwrap().is::<io::Error>());
    }
    // A single caller gets the error itself.
    let error = service.clone().oneshot(1).await.unwrap_err();
    assert!(error.is::<io::Error>(), "{error:?}");
    assert_eq!(service.snapshot().failed, 2);
}

/// What outer layers read of an error they read of a shared one.
#[tokio::test(start_paused = true)]
async fn a_shared_error_means_what_the_error_means() {
    fn limited() -> BoxError {
        Rejection::new(RejectionKind::RateLimited, "rate_limit")
            .with_retry_after(SEC)
            .into()
    }
    #[derive(Debug)]
    struct Wrapped(Rejection);
    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("wrapped")
        }
    }
    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    fn wrapped() -> BoxError {
        Wrapped(Rejection::new(RejectionKind::RateLimited, "rate_limit").with_retry_after(SEC))
            .into()
    }
    fn late() -> BoxError {
        io::Error::from(io::ErrorKind::TimedOut).into()
    }
    let throttled = Outcome::Throttled {
        retry_after: Some(SEC),
    };
    let cases = [
        (limited as fn() -> BoxError, throttled),
        (wrapped, throttled),
        (late, Outcome::Failure(FailureKind::Timeout)),
    ];
    for (error, outcome) in cases {
        let service = over(&Upstream::new(move |_| (MS, Act::Fail(error))), plain());
        for answer in join_all((0..2).map(|n| service.clone().oneshot(n))).await {
            assert_eq!(classify_error(&answer.unwrap_err()), outcome);
        }
    }
}

/// tower-batch-control: one inner error ends the service for good.
#[tokio::test(start_paused = true)]
async fn one_inner_error_does_not_end_the_service() {
    let upstream = Upstream::new(|batch| match batch[0] {
        0 => (MS, Act::Fail(|| "out of luck".into())),
        _ => (MS, Act::Double),
    });
    let service = over(&upstream, plain());
    for _ in 0..3 {
        assert!(service.clone().oneshot(0).await.is_err());
        assert_eq!(service.clone().oneshot(1).await.unwrap(), 2);
    }
}

/// The same of `poll_ready`: for tower-batch-control that is the end, too.
#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_be_readied_fails_one_batch() {
    let script = Script::<Vec<Answer>>::new(Step::answer_with(|| vec![Ok(1)]));
    script.set_readiness(Readiness::error("gone"));
    let service = BatchLayer::new(plain()).unwrap().layer(script.service());
    let answers = join_all((0..2_u32).map(|n| service.clone().oneshot(n))).await;
    for answer in answers {
        assert_eq!(answer.unwrap_err().to_string(), "the batch failed: gone");
    }
    assert_eq!(script.counts().calls, 0);
    script.set_readiness(Readiness::Ready);
    assert_eq!(service.clone().oneshot(1).await.unwrap(), 1);
    assert_at_rest(service.snapshot());
}

/// Whose is the answer that is missing? Nobody can tell, so nobody gets another's.
#[tokio::test(start_paused = true)]
async fn fewer_or_more_answers_than_items_are_nobodys() {
    for by in [-3, -1, 1, 1_000] {
        let upstream = Upstream::new(move |_| (MS, Act::Miscount(by)));
        let service = over(&upstream, plain());
        for answer in join_all((0..3).map(|n| service.clone().oneshot(n))).await {
            assert_eq!(kind(answer), RejectionKind::Mismatched, "{by}");
        }
        assert_eq!(service.snapshot().failed, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_is_taken_for_too_long() {
    let layer = BatchLayer::new(plain()).unwrap().plain();
    let endless = |_: Vec<u32>| async { Ok::<_, BoxError>(std::iter::repeat(1)) };
    let answer = layer.layer(tower::service_fn(endless)).oneshot(1).await;
    assert_eq!(kind(answer), RejectionKind::Mismatched);
}

/// An error of the user's own.
#[derive(Debug, Clone, PartialEq)]
enum Own {
    Refused(Rejection),
    Down(u32),
}

impl From<Rejection> for Own {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection)
    }
}

#[tokio::test(start_paused = true)]
async fn errors_that_are_clone_are_cloned() {
    let down = |_: Vec<u32>| async { Err::<Vec<u32>, _>(Own::Down(7)) };
    let layer = BatchLayer::new(plain()).unwrap().plain().cloned_errors();
    let service = layer.layer(tower::service_fn(down));
    for answer in join_all((0..3).map(|n| service.clone().oneshot(n))).await {
        assert_eq!(answer, Err(Own::Down(7)));
    }
    let short = |_: Vec<u32>| async { Ok::<Vec<u32>, Own>(Vec::new()) };
    let mismatched = Rejection::new(RejectionKind::Mismatched, "batch");
    let answer = layer.layer(tower::service_fn(short)).oneshot(1).await;
    assert_eq!(answer, Err(Own::Refused(mismatched)));
}

/// One that cannot be cloned.
#[derive(Debug)]
struct Broken(io::Error);

impl From<Rejection> for Broken {
    fn from(rejection: Rejection) -> Self {
        Self(io::Error::other(rejection))
    }
}

#[tokio::test(start_paused = true)]
async fn errors_that_are_not_are_made_by_a_function() {
    let down = async |_: Vec<u32>| Err::<Vec<u32>, _>(Broken(io::ErrorKind::BrokenPipe.into()));
    let service = BatchLayer::new(plain())
        .unwrap()
        .plain()
        .share_errors(|error: &Broken| Broken(error.0.kind().into()))
        .layer(tower::service_fn(down));
    for answer in join_all((0..3).map(|n| service.clone().oneshot(n))).await {
        assert_eq!(answer.unwrap_err().0.kind(), io::ErrorKind::BrokenPipe);
    }
}

/// Whatever a function of the user's makes too few errors of, nobody waits for ever.
#[tokio::test(start_paused = true)]
async fn nobody_is_forgotten_by_whoever_shares_an_error() {
    #[derive(Clone)]
    struct Stingy;
    impl ShareError<BoxError> for Stingy {
        fn share(&self, error: BoxError, _callers: usize) -> Vec<BoxError> {
            vec![error]
        }
    }
    let upstream = Upstream::new(|_| (MS, Act::Fail(|| "down".into())));
    let layer = BatchLayer::new(plain()).unwrap().errors_of(Stingy);
    let service = layer.layer(upstream);
    let mut answers = join_all((0..3).map(|n| service.clone().oneshot(n))).await;
    for answer in answers.drain(1..) {
        assert_eq!(kind(answer), RejectionKind::Aborted);
    }
    assert_eq!(answers.pop().unwrap().unwrap_err().to_string(), "down");
}
