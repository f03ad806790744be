//! What is shed because the service is not ready, and who holds what.

use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_ready_is_called() {
    let script = Script::<_>::new(Step::answer("done").after(MS));
    let service = layer().layer(ReadinessProbe::new(script.service()));
    assert_eq!(service.clone().oneshot(()).await.unwrap(), "done");
    assert_eq!(service.counts(), ShedCounts::default());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ready_is_refused_at_once() {
    let script = Script::answering("done");
    script.set_readiness(Readiness::Pending);
    let service = layer().layer(ReadinessProbe::new(script.service()));
    let begin = Instant::now();
    for _ in 0..3 {
        assert_shed(service.clone().oneshot(()).await, SEC);
    }
    assert_eq!(Instant::now(), begin);
    assert_eq!(script.counts().calls, 0);
    assert_eq!(service.counts().not_ready, 3);

    // The very instance that refused serves again.
    let mut instance = service.clone();
    assert_shed(ready(&mut instance).await.unwrap().call(()).await, SEC);
    script.set_readiness(Readiness::Ready);
    let answer = ready(&mut instance).await.unwrap().call(()).await;
    assert_eq!(answer.unwrap(), "done");
}

#[tokio::test(start_paused = true)]
async fn refused_callers_are_told_when_to_come_back() {
    let script = Script::answering("done");
    script.set_readiness(Readiness::Pending);
    let config = LoadShedConfig::default().with_retry_after(7 * SEC);
    let known = Arc::new(AtomicU32::new(0));
    let hint = Arc::clone(&known);
    let service = LoadShedLayer::new(config)
        .unwrap()
        .hint(move || {
            let seconds = hint.load(SeqCst);
            (seconds > 0).then_some(seconds * SEC)
        })
        .layer(script.service());
    assert_shed(service.clone().oneshot(()).await, 7 * SEC);
    known.store(3, SeqCst);
    assert_shed(service.oneshot(()).await, 3 * SEC);
}

/// "An idle clone of tower LoadShed sheds with nothing in flight."
#[tokio::test(start_paused = true)]
async fn an_idle_clone_sheds_nobody() {
    let script = Script::answering("done");
    let permits = Permits::new(1);
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut idle = layer().layer(ConcurrencyLimit::new(probe, 1));
    ready(&mut idle).await.unwrap();
    assert_eq!((permits.free(), permits.reserved()), (1, 0));

    let mut other = idle.clone();
    for _ in 0..3 {
        let answer = ready(&mut other).await.unwrap().call(()).await;
        assert_eq!(answer.unwrap(), "done");
    }
    assert_eq!(idle.call(()).await.unwrap(), "done");
    assert_eq!(idle.counts(), ShedCounts::default());
}

/// One that has refused a call does not go on queueing for the permit that it did not get.
#[tokio::test(start_paused = true)]
async fn an_instance_that_shed_holds_no_place_in_a_queue() {
    let script = Script::new(Step::answer("done").after(SEC));
    let mut first = layer().layer(ConcurrencyLimit::new(script.service(), 1));
    let mut second = first.clone();
    let mut third = first.clone();
    let call = ready(&mut first).await.unwrap().call(());
    assert_shed(ready(&mut second).await.unwrap().call(()).await, SEC);
    assert_eq!(call.await.unwrap(), "done");
    // The second idles; the permit is not its.
    assert_eq!(
        ready(&mut third).await.unwrap().call(()).await.unwrap(),
        "done"
    );
    assert_eq!(
        ready(&mut second).await.unwrap().call(()).await.unwrap(),
        "done"
    );
    assert_eq!(second.counts().not_ready, 1);
}

/// A task that has used up its turn sees every resource of the runtime pending, and none is full.
#[tokio::test(start_paused = true)]
async fn a_task_out_of_its_turn_is_not_shed() {
    let script = Script::answering("done");
    let mut service = layer().layer(tower::buffer::Buffer::new(script.service(), 8));
    std::future::poll_fn(|cx| {
        while tokio::task::coop::has_budget_remaining() {
            assert!(
                std::pin::pin!(tokio::task::consume_budget())
                    .poll(cx)
                    .is_ready()
            );
        }
        std::task::Poll::Ready(())
    })
    .await;
    assert!(!tokio::task::coop::has_budget_remaining());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(Service::<()>::poll_ready(&mut service, &mut cx).is_ready());
    let call = service.call(());
    assert_eq!(service.counts().not_ready, 0);
    assert_eq!(call.await.unwrap(), "done");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_dead_fails_its_calls_and_is_replaced() {
    let script = Script::answering("done");
    let mut service = layer().layer(ReadinessProbe::new(script.service()));
    script.set_readiness(Readiness::error("dead"));
    for _ in 0..2 {
        let error = ready(&mut service)
            .await
            .unwrap()
            .call(())
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "dead");
    }
    script.set_readiness(Readiness::Ready);
    assert_eq!(
        ready(&mut service).await.unwrap().call(()).await.unwrap(),
        "done"
    );
    assert_eq!(service.counts(), ShedCounts::default(), "nothing was shed");
}

/// An instance that must be polled to become ready is polled with the waker of whoever asks, and kept.
#[tokio::test(start_paused = true)]
async fn an_instance_that_warms_up_can_be_kept() {
    let script = Script::answering("done");
    script.set_readiness(Readiness::WarmsUp(10 * MS));
    let config = LoadShedConfig::default().with_keep_instances(true);
    let mut service = LoadShedLayer::new(config)
        .unwrap()
        .layer(ReadinessProbe::new(script.service()));
    assert_shed(ready(&mut service).await.unwrap().call(()).await, SEC);
    {
        let mut asks = task::spawn(std::future::poll_fn(|cx| {
            Service::<()>::poll_ready(&mut service, cx)
        }));
        assert!(asks.poll().is_ready(), "so that it can refuse");
        assert!(!asks.is_woken());
        tokio::time::sleep(11 * MS).await;
        assert!(asks.is_woken());
        assert!(assert_ready!(asks.poll()).is_ok());
    }
    assert_eq!(service.call(()).await.unwrap(), "done");
    // One readiness is good for one call.
    script.set_readiness(Readiness::Pending);
    assert_shed(ready(&mut service).await.unwrap().call(()).await, SEC);
    script.set_readiness(Readiness::error("dead"));
    assert_eq!(ready(&mut service).await.unwrap_err().to_string(), "dead");

    // Replaced, it would begin anew each time.
    script.set_readiness(Readiness::WarmsUp(10 * MS));
    let mut service = layer().layer(script.service());
    for _ in 0..3 {
        assert_shed(ready(&mut service).await.unwrap().call(()).await, SEC);
        tokio::time::sleep(10 * MS).await;
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_in_flight_it_gives_everything_back() {
    let script = Script::new(Step::<&str>::stall());
    let permits = Permits::new(1);
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut service = layer().layer(probe);
    let mut call = task::spawn(ready(&mut service).await.unwrap().call(()));
    assert_pending!(call.poll());
    assert_eq!(permits.used(), 1);
    assert_shed(service.clone().oneshot(()).await, SEC);
    drop(call);
    assert_eq!((permits.free(), permits.used()), (1, 0));
}

/// Never more in flight than the limit below, nobody refused while there is room, and nothing left behind.
#[tokio::test(start_paused = true)]
async fn ten_thousand_random_endings_leave_nothing() {
    const CALLS: usize = 10_000;
    const LIMIT: usize = 4;
    let script = Script::<&str>::rule(|call| {
        let mut rng = seeded(call);
        let step = match rng.u32(..8) {
            0 => Step::error("failed"),
            1 => Step::stall(),
            2 => Step::panic_in_poll(),
            3 => Step::panic_in_call(),
            _ => Step::answer("done"),
        };
        step.after(rng.u32(..20) * MS)
    });
    let permits = Permits::new(LIMIT);
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let service = layer().layer(ConcurrencyLimit::new(probe, LIMIT));
    let mut rng = seeded(7);
    let mut calls = tokio::task::JoinSet::new();
    let (mut shed, mut admitted) = (0, 0);
    for _ in 0..CALLS {
        if rng.u32(..4) == 0 {
            tokio::time::sleep(rng.u32(..10) * MS).await;
        }
        let mut instance = service.clone();
        let room = script.counts().in_flight < LIMIT;
        let before = service.counts().not_ready;
        let called =
            std::panic::AssertUnwindSafe(async { ready(&mut instance).await?.call(()).await })
                .catch_unwind();
        let mut call = task::spawn(Box::pin(called));
        let polled = call.poll();
        let refused = service.counts().not_ready > before;
        assert_eq!(refused, !room, "{:?}", script.counts());
        shed += usize::from(refused);
        admitted += usize::from(!refused);
        if polled.is_pending() {
            drop(call);
            let again = service.clone();
            let patience = rng.u32(1..30) * MS;
            calls.spawn(async move {
                let call = std::panic::AssertUnwindSafe(again.oneshot(())).catch_unwind();
                let _ = tokio::time::timeout(patience, call).await;
            });
            tokio::task::yield_now().await;
        }
    }
    while calls.join_next().await.is_some() {}
    assert!(
        shed > 500 && admitted > 500,
        "{shed} shed, {admitted} admitted"
    );
    let counts = script.counts();
    assert_eq!(counts.in_flight, 0);
    assert!(counts.most_in_flight <= LIMIT);
    assert_eq!((permits.free(), permits.reserved()), (LIMIT, 0));
}

#[tokio::test(start_paused = true)]
async fn it_can_be_spawned_over_a_boxed_error() {
    async fn handle(number: u32) -> Result<u32, BoxError> {
        tokio::time::sleep(MS).await;
        Ok(number)
    }
    let service = layer().layer(tower::service_fn(async |number: u32| handle(number).await));
    let spawned = tokio::spawn(async move { service.oneshot(7).await });
    assert_eq!(spawned.await.unwrap().unwrap(), 7);
}

#[test]
fn it_is_send_sync_and_clone() {
    fn check<T: Send + Sync + Clone + 'static>(_: &T) {}
    let layer = layer().signal(|| 0.5).hint(|| None);
    check(&layer);
    assert!(format!("{layer:?}").contains("signal: true"));
    let service = layer.layer(Script::answering("done").service());
    check(&service);
    assert!(format!("{service:?}").contains("not_ready: 0"));
}
