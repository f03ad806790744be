//! A future may be dropped at any moment.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_future_that_was_never_polled_joins_no_batch() {
    let upstream = Upstream::taking(MS);
    let mut service = over(&upstream, plain());
    drop(service.call(1));
    let unpolled = service.call(2);
    tokio::time::sleep(SEC).await;
    assert_at_rest(service.snapshot());
    drop(unpolled);
    assert!(upstream.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_before_the_batch_is_sent_is_not_sent_and_gives_its_room_back() {
    let upstream = Upstream::taking(MS);
    let service = over(&upstream, plain().with_max_size(3));
    let stays = begin(&service, 1).await;
    let leaves = begin(&service, 2).await;
    leaves.abort();
    settle().await;
    assert_eq!(
        (service.snapshot().waiting, service.snapshot().left),
        (1, 1)
    );
    let others = [3, 4].map(|n| tokio::spawn(service.clone().oneshot(n)));
    let (answer, took) = timed(stays).await;
    assert_eq!(
        (answer.unwrap().unwrap(), took),
        (2, MS),
        "three make it full"
    );
    for (n, call) in (3..).zip(others) {
        assert_eq!(call.await.unwrap().unwrap(), n * 2);
    }
    let mut sent = upstream.calls();
    sent[0].sort_unstable();
    assert_eq!(sent, [[1, 3, 4]]);
}

#[tokio::test(start_paused = true)]
async fn when_all_have_left_nothing_is_called_and_nothing_is_left() {
    let upstream = Upstream::taking(MS);
    let service = over(&upstream, plain());
    let calls = [1, 2].map(|n| tokio::spawn(service.clone().oneshot(n)));
    settle().await;
    let metrics = tokio::runtime::Handle::current().metrics();
    assert_eq!(metrics.num_alive_tasks(), 3);
    for call in &calls {
        call.abort();
    }
    settle().await;
    assert_eq!(
        metrics.num_alive_tasks(),
        0,
        "the task of the batch is gone, with its timer"
    );
    assert_at_rest(service.snapshot());
    tokio::time::sleep(SEC).await;
    assert!(upstream.calls().is_empty());
    // The next item is a first one.
    let (answer, took) = timed(service.clone().oneshot(3)).await;
    assert_eq!((answer.unwrap(), took), (6, 201 * MS));
}

/// All leave and another joins before the task of the batch hears of it: that one is the first now.
#[tokio::test(start_paused = true)]
async fn a_batch_may_be_left_by_all_and_joined_anew_in_one_moment() {
    let upstream = Upstream::taking(MS);
    let service = over(&upstream, plain());
    let mut first = Box::pin(service.clone().oneshot(1));
    assert!(once(&mut first).await.is_pending());
    tokio::time::sleep(150 * MS).await;
    drop(first);
    let (answer, took) = timed(service.clone().oneshot(2)).await;
    assert_eq!((answer.unwrap(), took), (4, 201 * MS));
    assert_eq!(
        (upstream.calls(), service.snapshot().batches),
        (vec![vec![2]], 1)
    );
    settle().await;
    assert_at_rest(service.snapshot());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_during_the_call_disturbs_nobody() {
    let upstream = Upstream::taking(SEC);
    let service = over(&upstream, plain().with_max_size(2));
    let leaves = begin(&service, 1).await;
    let stays = begin(&service, 2).await;
    leaves.abort();
    assert_eq!(stays.await.unwrap().unwrap(), 4);
    assert_eq!((upstream.cancelled(), service.snapshot().left), (0, 0));
    settle().await;
    assert_at_rest(service.snapshot());
}

#[tokio::test(start_paused = true)]
async fn when_nobody_waits_for_a_call_any_more_it_is_dropped() {
    let upstream = Upstream::taking(60 * SEC);
    let service = over(&upstream, plain().with_max_size(2));
    let calls = [1, 2].map(|n| tokio::spawn(service.clone().oneshot(n)));
    settle().await;
    assert_eq!(upstream.in_flight(), 1);
    for call in &calls {
        call.abort();
    }
    settle().await;
    assert_eq!((upstream.in_flight(), upstream.cancelled()), (0, 1));
    assert_at_rest(service.snapshot());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_while_the_service_is_not_ready_gives_everything_back() {
    let permits = Permits::new(1);
    let upstream = Upstream::taking(SEC);
    let probe = ReadinessProbe::new(upstream.clone()).permits(permits.clone());
    let service = BatchLayer::new(plain().with_max_size(1))
        .unwrap()
        .layer(probe);
    let first = begin(&service, 1).await;
    let second = begin(&service, 2).await;
    let third = begin(&service, 3).await;
    second.abort();
    settle().await;
    assert_eq!((permits.used(), permits.reserved()), (1, 0));
    assert!(first.await.unwrap().is_ok() && third.await.unwrap().is_ok());
    settle().await;
    assert_eq!((permits.free(), upstream.calls().len()), (1, 2));
    assert_at_rest(service.snapshot());
}

/// The answer is there, and the caller leaves before it takes it.
#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_takes_is_dropped() {
    let alive = Arc::new(());
    let of = Arc::clone(&alive);
    let bulk = tower::service_fn(move |batch: Vec<u32>| {
        let answers = vec![Arc::clone(&of); batch.len()];
        async move { Ok::<_, BoxError>(answers) }
    });
    let layer = BatchLayer::new(plain().with_max_size(2)).unwrap().plain();
    let service = layer.layer(bulk);
    let mut calls: Vec<_> = (0..2)
        .map(|n| Box::pin(service.clone().oneshot(n)))
        .collect();
    for call in &mut calls {
        assert!(once(call).await.is_pending());
    }
    settle().await;
    assert_eq!(Arc::strong_count(&alive), 4, "both are answered");
    drop(calls);
    assert_eq!(Arc::strong_count(&alive), 2);
    assert_at_rest(service.snapshot());
}

/// Each moment in the life of a batch, and who of three leaves at it.
#[tokio::test(start_paused = true)]
async fn at_every_moment_whoever_stays_is_answered() {
    // Collecting until 200 ms, waiting for readiness until 300, in flight until 400.
    for moment in [0, 1, 199, 200, 201, 299, 300, 301, 399, 400, 401] {
        for who in 1..8_u32 {
            let permits = Permits::new(1);
            let upstream = Upstream::taking(100 * MS);
            let probe = ReadinessProbe::new(upstream.clone()).permits(permits.clone());
            let mut hog = probe.clone();
            let hogged = hog.ready().await.unwrap().call(vec![0]);
            let hogged = tokio::spawn(async move {
                tokio::time::sleep(200 * MS).await;
                hogged.await
            });
            drop(hog);
            let service = BatchLayer::new(plain()).unwrap().layer(probe);
            let calls = [1, 2, 3].map(|n| tokio::spawn(service.clone().oneshot(n)));
            tokio::time::sleep(moment * MS).await;
            for (n, call) in (0..).zip(&calls) {
                if who & (1 << n) != 0 {
                    call.abort();
                }
            }
            for (n, call) in (0..).zip(calls) {
                match call.await {
                    Ok(answer) => assert_eq!(answer.unwrap(), (n + 1) * 2),
                    Err(_) => assert!(who & (1 << n) != 0, "{n} at {moment} ms"),
                }
            }
            hogged.await.unwrap().unwrap();
            settle().await;
            assert_at_rest(service.snapshot());
            assert_eq!(
                (permits.free(), upstream.in_flight()),
                (1, 0),
                "{moment} ms, {who:b}"
            );
            if moment < 200 {
                let sent = upstream.calls().concat();
                let stayed = (1..=3).filter(|n| who & (1 << (n - 1)) == 0);
                assert_eq!(sent, [0].into_iter().chain(stayed).collect::<Vec<_>>());
            }
        }
    }
}
