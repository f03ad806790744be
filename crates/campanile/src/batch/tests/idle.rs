//! When nothing else is in flight a batch need not wait.

use super::*;

fn eager() -> BatchConfig {
    plain().with_when_idle(true)
}

#[tokio::test(start_paused = true)]
async fn under_little_load_nobody_waits() {
    let service = over(&Upstream::taking(10 * MS), eager());
    for n in 0..5 {
        let (answer, took) = timed(service.clone().oneshot(n)).await;
        assert_eq!((answer.unwrap(), took), (n * 2, 10 * MS));
    }
    assert_eq!(service.snapshot().flushes.idle, 5);
}

#[tokio::test(start_paused = true)]
async fn under_more_of_it_batches_collect_while_one_is_under_way() {
    let upstream = Upstream::taking(50 * MS);
    let service = over(&upstream, eager());
    let mut calls = vec![begin(&service, 0).await];
    for n in 1..=10 {
        tokio::time::sleep(MS).await;
        calls.push(begin(&service, n).await);
    }
    let start = upstream.times()[0];
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!(upstream.sizes(), [1, 10]);
    assert_eq!(
        upstream.times()[1] - start,
        50 * MS,
        "at once when the first is back"
    );
}

#[tokio::test(start_paused = true)]
async fn those_who_come_at_the_same_moment_travel_together() {
    let upstream = Upstream::taking(MS);
    let service = over(&upstream, eager());
    let calls: Vec<_> = (0..8)
        .map(|n| tokio::spawn(service.clone().oneshot(n)))
        .collect();
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!(upstream.sizes(), [8]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_long_holds_nobody_beyond_the_timeout() {
    let upstream = Upstream::new(|batch| match batch[0] {
        0 => (SEC, Act::Stall),
        _ => (MS, Act::Double),
    });
    let service = over(&upstream, eager());
    let _stuck = begin(&service, 0).await;
    let (_, took) = timed(service.clone().oneshot(1)).await;
    assert_eq!(took, 201 * MS);
}

/// Of several that wait the oldest goes, and the next when that is back.
#[tokio::test(start_paused = true)]
async fn the_oldest_goes_first() {
    let upstream = Upstream::taking(30 * MS);
    let service = BatchLayer::new(eager())
        .unwrap()
        .key(|n: &u32| *n)
        .layer(upstream.clone());
    let mut calls = Vec::new();
    for n in [5, 4, 3, 2] {
        calls.push(begin(&service, n).await);
        tokio::time::sleep(MS).await;
    }
    let (_, took) = timed(join_all(calls)).await;
    assert_eq!(took, 116 * MS);
    assert_eq!(upstream.calls(), [[5], [4], [3], [2]]);
    assert_eq!(upstream.0.most.load(Ordering::SeqCst), 1);
}

/// The batch whose turn it is has been left by everyone: the turn is the next one's.
#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_takes_is_passed_on() {
    let upstream = Upstream::taking(50 * MS);
    let service = BatchLayer::new(eager())
        .unwrap()
        .key(|n: &u32| *n)
        .layer(upstream.clone());
    let first = begin(&service, 1).await;
    let second = begin(&service, 2).await;
    let third = begin(&service, 3).await;
    tokio::time::sleep(50 * MS).await;
    // In the very moment in which the first is back, the second leaves.
    second.abort();
    assert!(first.await.unwrap().is_ok());
    let (_, took) = timed(third).await;
    assert!(took <= 51 * MS, "{took:?}");
    settle().await;
    assert_at_rest(service.snapshot());
}

/// A call that everybody left, one that failed and one that panicked are over, too.
#[tokio::test(start_paused = true)]
async fn however_a_call_ends_the_next_batch_goes() {
    let upstream = Upstream::new(|batch| match batch[0] {
        0 => (50 * MS, Act::Stall),
        1 => (50 * MS, Act::Panic),
        2 => (50 * MS, Act::Fail(|| "down".into())),
        _ => (MS, Act::Double),
    });
    for n in 0..3 {
        let service = over(&upstream, eager());
        let first = begin(&service, n).await;
        let next = begin(&service, 7).await;
        tokio::time::sleep(50 * MS).await;
        first.abort();
        let (answer, took) = timed(next).await;
        assert_eq!(answer.unwrap().unwrap(), 14);
        assert!(took <= 2 * MS, "{n}: {took:?}");
        settle().await;
        assert_at_rest(service.snapshot());
    }
}

/// The batch whose turn it is has been left by everyone, and another has joined it before its task heard of either.
#[tokio::test(start_paused = true)]
async fn a_turn_is_kept_for_who_joins_in_the_place_of_those_who_left() {
    let upstream = Upstream::taking(50 * MS);
    let service = over(&upstream, eager().with_batch_timeout(60 * SEC));
    let mut first = Box::pin(service.clone().oneshot(1));
    assert!(once(&mut first).await.is_pending());
    settle().await;
    let mut second = Box::pin(service.clone().oneshot(2));
    assert!(once(&mut second).await.is_pending());
    settle().await;
    assert_eq!(service.snapshot().open, 1);
    // In a task, whose turn comes before that of the second batch's.
    let third = tokio::spawn({
        let service = service.clone();
        async move {
            assert_eq!(first.await.unwrap(), 2);
            drop(second);
            timed(service.oneshot(3)).await
        }
    });
    let (answer, took) = third.await.unwrap();
    assert_eq!((answer.unwrap(), took), (6, 50 * MS));
    settle().await;
    assert_at_rest(service.snapshot());
}
