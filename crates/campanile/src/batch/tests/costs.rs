//! No batch costs more than it may.

use super::*;

/// A batch of at most 100 tokens; an item's are its number.
fn costed(upstream: &Upstream) -> Batch<u32, u32, BoxError> {
    BatchLayer::new(plain().with_max_cost(100))
        .unwrap()
        .cost(|n: &u32| Cost::tokens(u64::from(*n)))
        .layer(upstream.clone())
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_has_all_that_it_may_cost_goes_at_once() {
    let upstream = Upstream::taking(Duration::ZERO);
    let service = costed(&upstream);
    let calls = [40, 60].map(|n| service.clone().oneshot(n));
    let (answers, took) = timed(join_all(calls)).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(
        (took, upstream.calls()),
        (Duration::ZERO, vec![vec![40, 60]])
    );
    assert_eq!(service.snapshot().flushes.cost, 1);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_would_be_too_much_sends_the_batch_and_begins_another() {
    let upstream = Upstream::taking(Duration::ZERO);
    let service = costed(&upstream);
    let first = [50, 30].map(|n| tokio::spawn(service.clone().oneshot(n)));
    settle().await;
    let last = begin(&service, 21).await;
    assert_eq!(upstream.calls(), [[50, 30]]);
    let (answer, took) = timed(last).await;
    assert_eq!((answer.unwrap().unwrap(), took), (42, 200 * MS));
    for call in first {
        assert!(call.await.unwrap().is_ok());
    }
    let flushes = service.snapshot().flushes;
    assert_eq!((flushes.cost, flushes.timeout), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_item_above_the_limit_travels_alone_and_others_go_on_waiting() {
    let upstream = Upstream::taking(Duration::ZERO);
    let service = costed(&upstream);
    let small = begin(&service, 10).await;
    let (answer, took) = timed(service.clone().oneshot(101)).await;
    assert_eq!((answer.unwrap(), took), (202, Duration::ZERO));
    let other = begin(&service, 20).await;
    assert!(small.await.unwrap().is_ok() && other.await.unwrap().is_ok());
    assert_eq!(upstream.calls(), [vec![101], vec![10, 20]]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_gives_back_what_it_would_have_cost() {
    let upstream = Upstream::taking(Duration::ZERO);
    let service = costed(&upstream);
    let stays = begin(&service, 10).await;
    let leaves = begin(&service, 80).await;
    leaves.abort();
    settle().await;
    let joins = begin(&service, 70).await;
    assert!(stays.await.unwrap().is_ok() && joins.await.unwrap().is_ok());
    assert_eq!(upstream.calls(), [[10, 70]]);
}

#[tokio::test(start_paused = true)]
async fn the_context_knows_better_what_a_call_costs() {
    let script = Script::<Vec<Answer>>::new(Step::answer_with(|| vec![Ok(1)]));
    let service = BatchLayer::new(plain().with_max_cost(100))
        .unwrap()
        .calls()
        .cost(|_: &Call<u32>| Cost::tokens(1))
        .layer(script.service());
    let mut call = Call::new(1);
    call.context.cost = Some(Cost::tokens(100));
    let (answer, took) = timed(service.oneshot(call)).await;
    assert_eq!((answer.unwrap(), took), (1, Duration::ZERO));
}
