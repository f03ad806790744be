//! A batch that failed may be sent again in parts.

use super::*;
use crate::budget::{Budget, BudgetConfig};

/// Fails whenever 13 is among the items.
fn poisonous(error: fn() -> BoxError) -> Upstream {
    Upstream::new(move |batch| match batch.contains(&13) {
        true => (MS, Act::Fail(error)),
        false => (MS, Act::Double),
    })
}

fn down() -> BoxError {
    "bad input".into()
}

fn split(upstream: &Upstream, config: BatchConfig) -> Batch<u32, u32, BoxError> {
    BatchLayer::new(config)
        .unwrap()
        .split()
        .layer(upstream.clone())
}

/// 32 items, 13 among them.
async fn all(service: &Batch<u32, u32, BoxError>) -> Vec<Answer> {
    join_all((1..=32).map(|n| service.clone().oneshot(n))).await
}

#[tokio::test(start_paused = true)]
async fn a_poisonous_item_fails_alone() {
    let upstream = poisonous(down);
    let service = split(&upstream, plain());
    for (n, answer) in (1..).zip(all(&service).await) {
        match n {
            // Its error is its own now.
            13 => assert_eq!(answer.unwrap_err().to_string(), "bad input"),
            _ => assert_eq!(answer.unwrap(), n * 2),
        }
    }
    assert_eq!(upstream.calls().len(), 11, "two for each of five times");
    let snapshot = service.snapshot();
    assert_eq!((snapshot.splits, snapshot.failed), (5, 6));
    assert_eq!((snapshot.batches, snapshot.items), (1, 32));
    settle().await;
    assert_at_rest(service.snapshot());
}

#[tokio::test(start_paused = true)]
async fn by_default_nothing_is_sent_again() {
    let upstream = poisonous(down);
    let answers = all(&over(&upstream, plain())).await;
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(upstream.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn there_are_no_more_calls_than_may_be() {
    for (extra, calls) in [(0, 1), (1, 1), (2, 3), (7, 7), (10, 11), (100, 11)] {
        let upstream = poisonous(down);
        let service = split(&upstream, plain().with_extra_calls(extra));
        let failed = all(&service)
            .await
            .iter()
            .filter(|answer| answer.is_err())
            .count();
        assert_eq!(upstream.calls().len(), calls, "{extra}");
        // Half of those who are left with each time that it is halved.
        assert_eq!(failed, 32 >> ((calls - 1) / 2), "{extra}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_everything_fails_the_bound_holds_too() {
    let upstream = Upstream::new(|_| (MS, Act::Fail(down)));
    let service = split(&upstream, plain());
    assert!(all(&service).await.iter().all(Result::is_err));
    assert_eq!(upstream.calls().len(), 17);
}

#[tokio::test(start_paused = true)]
async fn a_budget_bounds_the_further_calls_of_all_batches() {
    let budget = Budget::new(BudgetConfig::default().with_cap(4.0).with_initial(4.0));
    let upstream = Upstream::new(|_| (MS, Act::Fail(down)));
    let layer = BatchLayer::new(plain())
        .unwrap()
        .split()
        .budget(budget.clone());
    let service = layer.layer(upstream.clone());
    for calls in [5, 6, 7] {
        assert!(all(&service).await.iter().all(Result::is_err));
        assert_eq!(upstream.calls().len(), calls);
    }
    assert_eq!(budget.snapshot().withdrawn, 4);
}

/// Sent again it would be refused again, and the upstream asked for less.
#[tokio::test(start_paused = true)]
async fn what_was_throttled_or_refused_is_passed_on() {
    fn limited() -> BoxError {
        Rejection::new(RejectionKind::RateLimited, "rate_limit").into()
    }
    fn shed() -> BoxError {
        Rejection::new(RejectionKind::Shed, "load_shed").into()
    }
    fn expired() -> BoxError {
        Rejection::new(RejectionKind::DeadlineExceeded, "balance").into()
    }
    for error in [limited, shed, expired] {
        let upstream = poisonous(error);
        let answers = all(&split(&upstream, plain())).await;
        assert!(answers.iter().all(Result::is_err));
        assert_eq!(upstream.calls().len(), 1);
    }
}

/// What one protocol calls the request's own fault, such as HTTP status 400, is what a bad item makes of a whole batch.
#[tokio::test(start_paused = true)]
async fn a_bad_request_is_split() {
    let upstream = poisonous(down);
    let own = |result: Result<&Vec<Answer>, &BoxError>| match result {
        Ok(_) => crate::Outcome::Success,
        Err(_) => crate::Outcome::Ignored,
    };
    let layer = BatchLayer::new(plain())
        .unwrap()
        .protocol(crate::protocol::Unary::new(own))
        .split();
    let service = layer.layer(upstream.clone());
    assert_eq!(
        all(&service)
            .await
            .iter()
            .filter(|answer| answer.is_err())
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn who_has_left_is_not_sent_again() {
    let upstream = Upstream::new(|_| (SEC, Act::Fail(down)));
    let service = split(&upstream, plain().with_max_size(4));
    let mut calls = Vec::new();
    for n in 1..=4 {
        calls.push(begin(&service, n).await);
    }
    tokio::time::sleep(500 * MS).await;
    calls.remove(1).abort();
    // And the whole second half while the first is tried again.
    tokio::time::sleep(SEC).await;
    for call in calls.drain(1..) {
        call.abort();
    }
    assert!(calls.remove(0).await.unwrap().is_err());
    assert_eq!(upstream.calls(), [vec![1, 2, 3, 4], vec![1]]);
    settle().await;
    assert_at_rest(service.snapshot());
}

/// What a single caller still wants is not sent again: that would be a retry.
#[tokio::test(start_paused = true)]
async fn what_only_one_still_wants_is_not_split() {
    let upstream = Upstream::new(|_| (SEC, Act::Fail(down)));
    let service = split(&upstream, plain().with_max_size(4));
    let mut calls = Vec::new();
    for n in 1..=4 {
        calls.push(begin(&service, n).await);
    }
    for call in calls.drain(1..) {
        call.abort();
    }
    assert!(calls.remove(0).await.unwrap().is_err());
    assert_eq!(upstream.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_nobody_waits_for_is_dropped_and_the_next_one_sent() {
    let upstream = Upstream::new(|batch| match batch {
        [_, _, _, _] => (MS, Act::Fail(down)),
        [1, 2] => (MS, Act::Stall),
        _ => (MS, Act::Double),
    });
    let service = split(&upstream, plain().with_max_size(4));
    let mut calls = Vec::new();
    for n in 1..=4 {
        calls.push(begin(&service, n).await);
    }
    tokio::time::sleep(SEC).await;
    assert_eq!(upstream.calls().len(), 2, "it hangs");
    for call in calls.drain(..2) {
        call.abort();
    }
    for (n, call) in (3..).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap(), n * 2);
    }
    assert_eq!(upstream.cancelled(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_part_whose_service_cannot_be_readied_fails_alone() {
    let script = Script::<Vec<Answer>>::new(Step::answer_with(|| vec![Ok(1), Ok(2)]))
        .then(Step::error("bad input").after(SEC));
    let layer = BatchLayer::new(plain().with_max_size(4)).unwrap().split();
    let service = layer.layer(script.service());
    let calls: Vec<_> = (0..4_u32)
        .map(|n| tokio::spawn(service.clone().oneshot(n)))
        .collect();
    tokio::time::sleep(500 * MS).await;
    script.set_readiness(Readiness::error("gone"));
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "the batch failed: gone");
    }
}
