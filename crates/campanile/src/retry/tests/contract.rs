use futures_util::FutureExt;
use tokio::task::JoinSet;
use tower::limit::ConcurrencyLimit;

use super::*;
use crate::testing::{Permits, ReadinessProbe};

fn assert_service<T: Clone + Send + Sync + 'static>(_: &T) {}

#[tokio::test(start_paused = true)]
async fn it_is_clone_send_and_sync_and_its_futures_are_send() {
    let script = Script::answering("well");
    let mut service = over(&script, plain());
    assert_service(&service);
    assert_service(&RetryLayer::default());
    fn assert_send<T: Send + 'static>(value: T) -> T {
        value
    }
    assert_send(begin(&mut service, ()).await).await.unwrap();
    assert!(!format!("{service:?} {:?}", RetryLayer::default()).is_empty());
}

/// tower's own layers do not compile here.
#[tokio::test(start_paused = true)]
async fn a_task_can_be_spawned_over_a_boxed_error() {
    let closure = tower::service_fn(|n: u32| async move {
        tokio::task::yield_now().await;
        Ok::<_, BoxError>(n + 1)
    });
    let service = RetryLayer::default().layer(closure);
    let answer = tokio::spawn(async move { service.oneshot(1).await });
    assert_eq!(answer.await.unwrap().unwrap(), 2);
}

/// seatbelt calls a clone that was never polled ready: it panics over tower's `ConcurrencyLimit`.
#[tokio::test(start_paused = true)]
async fn only_readied_instances_are_called_also_over_a_concurrency_limit() {
    let script = Script::<()>::new(Step::error("down").after(10 * MS));
    let probe = ReadinessProbe::new(script.service());
    let service = RetryLayer::new(plain())
        .unwrap()
        .layer(ConcurrencyLimit::new(probe, 2));
    let calls: JoinSet<_> = (0..20).map(|_| service.clone().oneshot(())).collect();
    assert!(calls.join_all().await.iter().all(Result::is_err));
    assert_eq!(script.counts().calls, 60);
    assert_eq!(script.counts().most_in_flight, 2);
}

#[tokio::test(start_paused = true)]
async fn a_clone_holds_no_permit_and_neither_does_a_back_off() {
    let permits = Permits::new(1);
    let script = Script::answering("well").then(Step::error("down"));
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut service = RetryLayer::new(plain()).unwrap().layer(probe);
    ready::<_, ()>(&mut service).await.unwrap();
    assert_eq!(permits.reserved(), 1);
    let mut other = service.clone();
    assert_eq!(permits.reserved(), 1);
    let call = tokio::spawn(service.call(()));
    tokio::time::sleep(50 * MS).await;
    assert_eq!((permits.free(), script.counts().calls), (1, 1));
    // The one permit goes to another call meanwhile.
    assert!(begin(&mut other, ()).await.await.is_ok());
    assert_eq!(call.await.unwrap().unwrap(), "well");
    assert_eq!((permits.free(), permits.reserved()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_moment_it_gives_everything_back() {
    let permits = Permits::new(1);
    let script = Script::<()>::new(Step::error("down").after(20 * MS));
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let service = RetryLayer::new(plain()).unwrap().layer(probe);
    // Before it is polled, in flight, in the back-off, in the retry.
    for moment in [0, 10, 60, 130] {
        let mut service = service.clone();
        let call = begin(&mut service, ()).await;
        assert!(tokio::time::timeout(moment * MS, call).await.is_err());
        drop(service);
        assert_eq!((permits.free(), permits.used()), (1, 0), "{moment} ms");
    }
    assert_eq!(script.counts().in_flight, 0);
    assert_eq!(script.counts().cancelled, 3, "the back-off ended none");

    // While it waits for readiness.
    let mut held = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut service = service.clone();
    let call = begin(&mut service, ()).await;
    let call = tokio::spawn(call);
    tokio::time::sleep(50 * MS).await;
    Service::<()>::poll_ready(&mut held, &mut noop())
        .is_ready()
        .then_some(())
        .unwrap();
    tokio::time::sleep(100 * MS).await;
    call.abort();
    settle().await;
    drop(held);
    assert_eq!((permits.free(), permits.reserved()), (1, 0));
}

fn noop() -> std::task::Context<'static> {
    std::task::Context::from_waker(std::task::Waker::noop())
}

#[tokio::test(start_paused = true)]
async fn every_retry_that_waits_is_woken() {
    let permits = Permits::new(3);
    let script = Script::answering("well");
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let service = RetryLayer::new(plain().with_patience(60 * SEC))
        .unwrap()
        .layer(probe);
    for _ in 0..50 {
        script.push(Step::error("down"));
    }
    script.set(Step::answer("well").after(5 * MS));
    let calls: JoinSet<_> = (0..50).map(|_| service.clone().oneshot(())).collect();
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    assert_eq!((permits.free(), script.counts().calls), (3, 100));
}

#[tokio::test(start_paused = true)]
async fn readiness_and_its_errors_are_those_of_the_inner_service() {
    let script = Script::answering("well");
    let mut service = over(&script, plain());
    script.set_readiness(Readiness::Pending);
    assert!(ready::<_, ()>(&mut service).now_or_never().is_none());
    script.set_readiness(Readiness::error("gone"));
    let error = ready::<_, ()>(&mut service).await.err().unwrap();
    assert_eq!(error.to_string(), "gone");
}

#[tokio::test(start_paused = true)]
async fn a_panic_reaches_the_caller_and_nobody_else() {
    let script = Script::answering("well")
        .then(Step::error("down"))
        .then(Step::panic_in_call());
    let service = over(&script, plain());
    let call = tokio::spawn(service.clone().oneshot(()));
    assert!(call.await.unwrap_err().is_panic());
    script.push(Step::error("down"));
    script.set_panics_in_clone(true);
    let mut same = service;
    let call = begin(&mut same, ()).await;
    assert!(tokio::spawn(call).await.unwrap_err().is_panic());
    script.set_panics_in_clone(false);
    script.push(Step::error("down"));
    assert_eq!(begin(&mut same, ()).await.await.unwrap(), "well");
}

/// Complete, fail, stall, time out, panic, cannot be readied: whatever becomes of calls, every count ends where it
/// began.
#[tokio::test(start_paused = true)]
async fn random_endings_leave_every_count_at_its_start() {
    const CALLS: usize = 20_000;
    let permits = Permits::new(40);
    let script = Script::<u32>::rule(|call| {
        let latency = (call % 11) as u32 * MS;
        match call % 17 {
            0..4 => Step::error("out of luck").after(latency),
            4 => Step::error_with(|| throttled(20 * MS)).after(latency),
            5 => Step::error_with(|| overloaded(30 * MS)),
            6 => Step::stall(),
            7 if call % 5 == 0 => Step::panic_in_poll(),
            8 if call % 7 == 0 => Step::panic_in_call(),
            _ => Step::answer(7).after(latency),
        }
    });
    let budget = Budget::new(BudgetConfig::default().with_cap(100.0).with_initial(100.0));
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let config = plain()
        .with_backoff(Backoff::full(20 * MS, SEC))
        .with_patience(50 * MS);
    let service = RetryLayer::new(config)
        .unwrap()
        .calls()
        .budget(budget.clone())
        .layer(probe);
    let mut rng = seeded(5);
    let mut ended = [0_usize; 4];
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for _ in 0..CALLS / 100 {
        let calls: Vec<_> = (0..100)
            .map(|_| {
                let mut call = Call::new(());
                let patience = rng.u32(1..120) * MS;
                if rng.bool() {
                    call.context.deadline = Some(Instant::now() + patience * 2);
                }
                let call = service.clone().oneshot(call);
                tokio::spawn(tokio::time::timeout(patience, call))
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
        (40, 0, 0)
    );
    let counts = script.counts();
    assert_eq!(counts.in_flight, 0);
    // The service and its master.
    assert_eq!(counts.services, 2);
    let retries = budget.snapshot().withdrawn;
    assert!(retries > 500, "{retries}");
}
