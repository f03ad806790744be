use super::*;

fn assert_service<T: Clone + Send + Sync + 'static>(_: &T) {}
fn assert_send<T: Send + 'static>(value: T) -> T {
    value
}

#[tokio::test(start_paused = true)]
async fn it_is_clone_send_and_sync_and_its_futures_are_send() {
    let mut service = over(&Upstream::taking(MS), plain());
    assert_service(&service);
    assert_service(&BatchLayer::<u32>::default());
    assert_service(&service.handle());
    let call = assert_send(service.call(1));
    let layer = BatchLayer::<u32>::default().key(|n| *n).split();
    let text = format!("{service:?} {call:?} {layer:?} {:?}", service.handle());
    assert!(text.contains("max_size: 32"), "{text}");
    assert_eq!(call.await.unwrap(), 2);
}

/// tower's own layers do not compile here.
#[tokio::test(start_paused = true)]
async fn a_task_can_be_spawned_over_a_boxed_error() {
    let closure = async |batch: Vec<u32>| {
        tokio::task::yield_now().await;
        Ok::<_, BoxError>(batch.into_iter().map(|n| n + 1).collect::<Vec<_>>())
    };
    let layer = BatchLayer::new(plain()).unwrap().plain().split();
    let service = layer.layer(tower::service_fn(closure));
    let of = service.clone();
    let answer = tokio::spawn(async move { of.oneshot(1).await });
    assert_eq!(answer.await.unwrap().unwrap(), 2);
    let answer = tokio::spawn(async move {
        let mut service = service;
        service.ready().await?.call(2).await
    });
    assert_eq!(answer.await.unwrap().unwrap(), 3);
}

/// The whole stack is made within the task.
#[tokio::test(start_paused = true)]
async fn so_can_one_that_makes_the_stack() {
    let task = tokio::spawn(async {
        let bulk = tower::service_fn(async |batch: Vec<u32>| Ok::<_, BoxError>(batch));
        let layer = BatchLayer::new(plain())?.plain().key(|n: &u32| n % 2);
        let service = tower::ServiceBuilder::new().layer(layer).service(bulk);
        tokio::task::yield_now().await;
        service.oneshot(1).await
    });
    assert_eq!(task.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_readied_instances_are_called() {
    let upstream = Upstream::new(|batch| match batch.len() {
        1 => (MS, Act::Double),
        _ => (MS, Act::Fail(|| "too many".into())),
    });
    let (probe, violations) = ReadinessProbe::recording(upstream.clone());
    let service = BatchLayer::new(plain()).unwrap().split().layer(probe);
    let calls = (1..=8).map(|n| service.clone().oneshot(n));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!((upstream.calls().len(), violations.list()), (15, vec![]));
}

#[tokio::test(start_paused = true)]
async fn readiness_reserves_nothing_and_neither_does_a_batch_that_collects() {
    let permits = Permits::new(1);
    let probe = ReadinessProbe::new(Upstream::taking(SEC)).permits(permits.clone());
    let mut service = BatchLayer::new(plain()).unwrap().layer(probe);
    ServiceExt::<u32>::ready(&mut service).await.unwrap();
    let _clone = service.clone();
    let call = begin(&service, 1).await;
    tokio::time::sleep(100 * MS).await;
    assert_eq!((permits.free(), permits.reserved()), (1, 0));
    tokio::time::sleep(200 * MS).await;
    assert_eq!((permits.used(), permits.reserved()), (1, 0));
    assert!(call.await.unwrap().is_ok());
    settle().await;
    assert_eq!(permits.free(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_batch_that_waits_for_readiness_is_woken() {
    let permits = Permits::new(2);
    let probe = ReadinessProbe::new(Upstream::taking(5 * MS)).permits(permits.clone());
    let service = BatchLayer::new(plain().with_max_size(3))
        .unwrap()
        .layer(probe);
    let calls = (1..=300).map(|n| service.clone().oneshot(n));
    let (answers, took) = timed(join_all(calls)).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((took, permits.free()), (250 * MS, 2));
}

/// Under another waker than the one with which it joined.
#[tokio::test(start_paused = true)]
async fn a_future_may_move_from_task_to_task() {
    let service = over(&Upstream::taking(MS), plain());
    let mut call = Box::pin(service.clone().oneshot(1));
    for _ in 0..3 {
        let mut moved = call;
        let task = tokio::spawn(async move {
            assert!(once(&mut moved).await.is_pending());
            Some(moved)
        });
        call = task.await.unwrap().unwrap();
    }
    assert_eq!(tokio::spawn(call).await.unwrap().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn each_service_of_a_layer_has_batches_of_its_own() {
    let (one, two) = (Upstream::taking(MS), Upstream::taking(MS));
    let layer = BatchLayer::new(plain()).unwrap();
    let (a, b) = (layer.clone().layer(one.clone()), layer.layer(two.clone()));
    let (x, y) = tokio::join!(a.clone().oneshot(1), b.clone().oneshot(2));
    assert!(x.is_ok() && y.is_ok());
    assert_eq!((one.calls(), two.calls()), (vec![vec![1]], vec![vec![2]]));
    assert_eq!((a.snapshot().batches, b.snapshot().batches), (1, 1));
}
