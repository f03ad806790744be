//! When a batch goes, and with whom.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_full_goes_at_once_and_each_caller_gets_its_own_answer() {
    let upstream = Upstream::taking(10 * MS);
    let service = over(&upstream, plain());
    let calls = (0..64).map(|n| service.clone().oneshot(n));
    let (answers, took) = timed(join_all(calls)).await;
    for (n, answer) in (0..).zip(answers) {
        assert_eq!(answer.unwrap(), n * 2);
    }
    assert_eq!(took, 10 * MS, "nobody waited for others");
    assert_eq!(upstream.sizes(), [32, 32]);
    assert_eq!(service.snapshot().flushes.size, 2);
}

#[tokio::test(start_paused = true)]
async fn the_first_item_says_when_a_batch_goes() {
    let upstream = Upstream::taking(Duration::ZERO);
    let service = over(&upstream, plain());
    let start = Instant::now();
    let first = begin(&service, 1).await;
    tokio::time::sleep(150 * MS).await;
    let second = begin(&service, 2).await;
    assert_eq!(
        (first.await.unwrap().unwrap(), Instant::now() - start),
        (2, 200 * MS)
    );
    assert_eq!(second.await.unwrap().unwrap(), 4);
    // The next one begins anew.
    tokio::time::sleep(50 * MS).await;
    let (_, took) = timed(service.clone().oneshot(3)).await;
    assert_eq!(took, 200 * MS);
    assert_eq!(upstream.calls(), [vec![1, 2], vec![3]]);
    assert_eq!(service.snapshot().flushes.timeout, 2);
}

#[tokio::test(start_paused = true)]
async fn with_no_timeout_those_travel_together_that_come_at_the_same_moment() {
    let upstream = Upstream::taking(Duration::ZERO);
    let service = over(&upstream, plain().with_batch_timeout(Duration::ZERO));
    let calls = (0..5).map(|n| service.clone().oneshot(n));
    let (answers, took) = timed(join_all(calls)).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((took, upstream.sizes()), (Duration::ZERO, vec![5]));
}

#[tokio::test(start_paused = true)]
async fn only_requests_of_equal_keys_travel_together() {
    let upstream = Upstream::taking(Duration::ZERO);
    let service = BatchLayer::new(plain().with_max_size(4))
        .unwrap()
        .key(|n: &u32| n % 3)
        .layer(upstream.clone());
    let calls = (0..24).map(|n| service.clone().oneshot(n));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let calls = upstream.calls();
    assert_eq!(calls.len(), 6);
    for batch in calls {
        assert!(batch.iter().all(|n| n % 3 == batch[0] % 3), "{batch:?}");
        assert_eq!(batch.len(), 4);
    }
}

/// A key per request: nothing is left of any when its batch is over.
#[tokio::test(start_paused = true)]
async fn keys_are_forgotten_with_their_batches() {
    let alive = Arc::new(());
    let of = Arc::clone(&alive);
    #[derive(Clone)]
    struct Key(u32, #[allow(dead_code)] Arc<()>);
    impl PartialEq for Key {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for Key {}
    impl std::hash::Hash for Key {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }
    let upstream = Upstream::taking(Duration::ZERO);
    let service = BatchLayer::new(plain())
        .unwrap()
        .key(move |n: &u32| Key(*n, Arc::clone(&of)))
        .layer(upstream.clone());
    let calls: Vec<_> = (0..1_000)
        .map(|n| tokio::spawn(service.clone().oneshot(n)))
        .collect();
    settle().await;
    assert_eq!(service.snapshot().open, 1_000);
    assert!(Arc::strong_count(&alive) > 1_000);
    // Half of them leave, the others are answered.
    for call in calls.iter().step_by(2) {
        call.abort();
    }
    for (n, call) in (0..).zip(calls) {
        match call.await {
            Ok(answer) => assert_eq!(answer.unwrap(), n * 2),
            Err(_) => assert_eq!(n % 2, 0),
        }
    }
    settle().await;
    assert_at_rest(service.snapshot());
    assert_eq!(Arc::strong_count(&alive), 2, "that of the function is left");
    assert_eq!(upstream.calls().len(), 500);
}

#[tokio::test(start_paused = true)]
async fn no_more_batches_are_in_flight_than_may_be_and_others_fill_meanwhile() {
    let upstream = Upstream::taking(SEC);
    let service = over(&upstream, plain().with_max_size(10).with_max_in_flight(1));
    let first = begin(&service, 0).await;
    tokio::time::sleep(300 * MS).await;
    assert_eq!((upstream.in_flight(), service.snapshot().in_flight), (1, 1));
    // Its time comes while the first is under way, and still others join it.
    let mut calls = Vec::new();
    for n in 1..=5 {
        calls.push(begin(&service, n).await);
        tokio::time::sleep(100 * MS).await;
    }
    assert_eq!(
        (service.snapshot().open, service.snapshot().waiting),
        (1, 5)
    );
    assert!(first.await.unwrap().is_ok());
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!(upstream.calls(), [vec![0], vec![1, 2, 3, 4, 5]]);
    assert_eq!(upstream.0.most.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn full_batches_wait_for_their_turn_in_order() {
    let upstream = Upstream::taking(SEC);
    let service = over(&upstream, plain().with_max_size(2).with_max_in_flight(2));
    let calls = (0..12).map(|n| service.clone().oneshot(n));
    let (answers, took) = timed(join_all(calls)).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(took, 3 * SEC);
    assert_eq!(upstream.0.most.load(Ordering::SeqCst), 2);
    let pairs: Vec<_> = (0..6).map(|n| vec![2 * n, 2 * n + 1]).collect();
    assert_eq!(upstream.calls(), pairs);
}

#[tokio::test(start_paused = true)]
async fn back_pressure_of_the_inner_service_makes_batches_fill() {
    let script = Script::<Vec<Answer>>::new(Step::answer_with(|| (0..4).map(Ok).collect()));
    script.set_readiness(Readiness::Pending);
    let service = BatchLayer::new(plain().with_max_size(8))
        .unwrap()
        .layer(script.service());
    let mut calls = Vec::new();
    for n in 0..4_u32 {
        calls.push(begin(&service, n).await);
        tokio::time::sleep(SEC).await;
    }
    assert_eq!(
        (service.snapshot().open, service.snapshot().waiting),
        (1, 4)
    );
    script.set_readiness(Readiness::Ready);
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap(), n);
    }
    assert_eq!(script.counts().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded_and_what_is_beyond_is_refused_at_once() {
    let upstream = Upstream::taking(SEC);
    let config = plain()
        .with_max_size(2)
        .with_max_in_flight(1)
        .with_max_waiting(4);
    let service = over(&upstream, config);
    let mut calls = Vec::new();
    for n in 0..6 {
        calls.push(begin(&service, n).await);
    }
    // Two are in flight, four wait.
    let (answer, took) = timed(service.clone().oneshot(6)).await;
    assert_eq!((kind(answer), took), (RejectionKind::Shed, Duration::ZERO));
    assert_eq!(service.snapshot().refused, 1);
    // One who leaves makes room.
    calls.pop().unwrap().abort();
    settle().await;
    calls.push(begin(&service, 7).await);
    assert_eq!(service.snapshot().waiting, 4);
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    settle().await;
    assert_at_rest(service.snapshot());
}

#[tokio::test(start_paused = true)]
async fn a_plain_list_is_taken_apart_and_so_is_anything_by_a_function() {
    #[derive(Clone)]
    struct Reply {
        data: Vec<u32>,
    }
    let bulk = |batch: Vec<u32>| async move { Ok::<_, BoxError>(Reply { data: batch }) };
    let service = BatchLayer::new(plain())
        .unwrap()
        .answers(|reply: Reply| reply.data.into_iter().map(Ok))
        .layer(tower::service_fn(bulk));
    assert_eq!(service.oneshot(7).await.unwrap(), 7);

    let bulk = |batch: Vec<u32>| async move { Ok::<_, BoxError>(batch) };
    let layer = BatchLayer::new(plain()).unwrap().plain();
    assert_eq!(
        layer
            .layer(tower::service_fn(bulk))
            .oneshot(7)
            .await
            .unwrap(),
        7
    );
}

#[tokio::test(start_paused = true)]
async fn a_timeout_may_be_for_ever() {
    let service = over(
        &Upstream::taking(MS),
        plain().with_batch_timeout(Duration::MAX),
    );
    let call = begin(&service, 1).await;
    tokio::time::sleep(3_600 * SEC).await;
    service.handle().flush();
    assert_eq!(call.await.unwrap().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_size_of_one_waits_for_nobody() {
    let upstream = Upstream::taking(MS);
    let service = over(&upstream, plain().with_max_size(1));
    let calls = (1..=3).map(|n| service.clone().oneshot(n));
    let (answers, took) = timed(join_all(calls)).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((took, upstream.sizes()), (MS, vec![1, 1, 1]));
}
