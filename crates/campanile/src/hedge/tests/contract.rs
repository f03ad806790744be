use futures_util::FutureExt;
use tower::limit::ConcurrencyLimit;

use super::*;
use crate::testing::{Permits, ReadinessProbe};

fn assert_service<T: Clone + Send + Sync + 'static>(_: &T) {}

#[tokio::test(start_paused = true)]
async fn it_is_clone_send_and_sync_and_its_futures_are_send() {
    let script = Script::answering("well");
    let mut service = over(&script);
    assert_service(&service);
    assert_service(&HedgeLayer::default());
    fn assert_send<T: Send + 'static>(value: T) -> T {
        value
    }
    assert_send(begin(&mut service, ()).await).await.unwrap();
    assert!(!format!("{service:?} {:?}", HedgeLayer::default()).is_empty());
}

/// tower's own layers do not compile here.
#[tokio::test(start_paused = true)]
async fn a_task_can_be_spawned_over_a_boxed_error() {
    let closure = tower::service_fn(|n: u32| async move {
        tokio::task::yield_now().await;
        Ok::<_, BoxError>(n + 1)
    });
    let service = HedgeLayer::default().layer(closure);
    let answer = tokio::spawn(async move { service.oneshot(1).await });
    assert_eq!(answer.await.unwrap().unwrap(), 2);
}

/// seatbelt calls a clone that was never polled ready: it panics over tower's `ConcurrencyLimit`.
#[tokio::test(start_paused = true)]
async fn only_readied_instances_are_called_also_over_a_concurrency_limit() {
    let script = Script::<_>::new(Step::answer("well").after(150 * MS));
    let probe = ReadinessProbe::new(script.service());
    let service = HedgeLayer::new(plain())
        .unwrap()
        .budget(rich())
        .layer(ConcurrencyLimit::new(probe, 3));
    let calls: tokio::task::JoinSet<_> = (0..20).map(|_| service.clone().oneshot(())).collect();
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    assert_eq!(script.counts().most_in_flight, 3);
    // Hedged where a permit was free: when only two calls were left.
    assert_eq!((script.counts().calls, service.snapshot().hedged), (21, 1));
}

#[tokio::test(start_paused = true)]
async fn a_clone_holds_no_permit() {
    let permits = Permits::new(1);
    let script = Script::answering("well");
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut service = HedgeLayer::new(plain()).unwrap().layer(probe);
    ready::<_, ()>(&mut service).await.unwrap();
    let _other = service.clone();
    assert_eq!(permits.reserved(), 1);
    drop(service);
    assert_eq!(permits.free(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_moment_it_gives_everything_back() {
    let permits = Permits::new(2);
    let script = Script::<_>::new(Step::answer("well").after(SEC));
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let service = HedgeLayer::new(plain())
        .unwrap()
        .budget(rich())
        .layer(probe);
    // Before it is polled, in flight, with both under way.
    for moment in [0, 50, 150] {
        let mut service = service.clone();
        let call = begin(&mut service, ()).await;
        assert!(timeout(moment * MS, call).await.is_err());
        drop(service);
        assert_eq!((permits.free(), permits.used()), (2, 0), "{moment} ms");
    }
    let counts = script.counts();
    assert_eq!(
        (counts.in_flight, counts.cancelled, counts.calls),
        (0, 4, 4)
    );
}

#[tokio::test(start_paused = true)]
async fn the_loser_gives_back_what_it_holds_before_the_answer_is_handed_out() {
    let permits = Permits::new(2);
    let script = Script::<_>::new(Step::answer("hedge").after(20 * MS)).then(Step::stall());
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut service = HedgeLayer::new(plain())
        .unwrap()
        .budget(rich())
        .layer(probe);
    let mut call = Box::pin(begin(&mut service, ()).await);
    assert_eq!(call.as_mut().await.unwrap(), "hedge");
    assert_eq!((permits.free(), script.counts().in_flight), (2, 0));
    drop(call);
}

#[tokio::test(start_paused = true)]
async fn readiness_and_its_errors_are_those_of_the_inner_service() {
    let script = Script::answering("well");
    let mut service = over(&script);
    script.set_readiness(Readiness::Pending);
    assert!(ready::<_, ()>(&mut service).now_or_never().is_none());
    script.set_readiness(Readiness::error("gone"));
    let error = ready::<_, ()>(&mut service).await.err().unwrap();
    assert_eq!(error.to_string(), "gone");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_hedge_reaches_the_caller_and_nobody_else() {
    for step in [Step::panic_in_call(), Step::panic_in_poll()] {
        let script = Script::answering("well").then(Step::stall()).then(step);
        let service = over(&script);
        let call = tokio::spawn(service.clone().oneshot(()));
        assert!(call.await.unwrap_err().is_panic());
        assert_eq!(script.counts().in_flight, 0);
        assert_eq!(service.oneshot(()).await.unwrap(), "well");
    }
}

/// Complete, fail, stall, time out, panic, lose, cannot be readied: every count ends where it began.
#[tokio::test(start_paused = true)]
async fn random_endings_leave_every_count_at_its_start() {
    const CALLS: usize = 20_000;
    let permits = Permits::new(60);
    let script = Script::<u32>::rule(|call| {
        let latency = (call % 23) as u32 * MS;
        match call % 17 {
            0..3 => Step::error("out of luck").after(latency),
            3 => Step::stall(),
            4 if call % 5 == 0 => Step::panic_in_poll(),
            5 if call % 7 == 0 => Step::panic_in_call(),
            _ => Step::answer(7).after(latency),
        }
    });
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let config = HedgeConfig::default().with_delay(Delay::fixed(10 * MS));
    let service = HedgeLayer::new(config)
        .unwrap()
        .calls()
        .budget(rich())
        .layer(probe);
    let mut rng = seeded(5);
    let mut ended = [0_usize; 4];
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for _ in 0..CALLS / 100 {
        let calls: Vec<_> = (0..100)
            .map(|_| {
                let patience = rng.u32(1..60) * MS;
                let call = service.clone().oneshot(Call::new(()));
                tokio::spawn(timeout(patience, call))
            })
            .collect();
        for call in calls {
            ended[match call.await {
                Ok(Ok(Ok(_))) => 0,
                Ok(Ok(Err(_))) => 1,
                Ok(Err(_)) => 2,
                Err(_) => 3,
            }] += 1;
        }
    }
    std::panic::set_hook(hook);
    assert!(ended.iter().all(|n| *n > 50), "{ended:?}");
    assert_eq!(
        (permits.free(), permits.reserved(), permits.used()),
        (60, 0, 0)
    );
    let counts = script.counts();
    // The service and its master.
    assert_eq!((counts.in_flight, counts.services), (0, 2));
    let snapshot = service.snapshot();
    assert!(
        snapshot.hedged > 2_000 && snapshot.won > 500,
        "{snapshot:?}"
    );
}
