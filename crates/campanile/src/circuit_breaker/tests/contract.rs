//! The contract of every layer.

use tokio::task::JoinSet;
use tower::util::BoxCloneService;

use super::*;
use crate::{
    Completion,
    protocol::{Enveloped, Guarded},
    testing::{Permits, Readiness, ReadinessProbe, seeded},
};

#[tokio::test(start_paused = true)]
async fn only_the_instance_that_was_readied_is_called_and_a_clone_holds_no_permit() {
    let script = Script::answering("well");
    let permits = Permits::new(1);
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut service = CircuitBreakerLayer::new(config()).layer(probe);
    for _ in 0..3 {
        ServiceExt::<()>::ready(&mut service).await.unwrap();
        let clone = service.clone();
        assert_eq!((permits.free(), permits.reserved()), (0, 1));
        assert_eq!(service.call(()).await.unwrap(), "well");
        drop(clone);
        assert_eq!((permits.free(), permits.reserved()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn poll_ready_asks_the_service_only_and_passes_its_error_on() {
    let script = failing();
    let mut service = breaker(&script, config());
    trip(&service).await;
    script.set_readiness(Readiness::Pending);
    let mut ready = tokio_test::task::spawn(ServiceExt::<()>::ready(&mut service));
    assert!(ready.poll().is_pending());
    script.set_readiness(Readiness::Ready);
    assert!(ready.is_woken());
    assert!(ready.poll().is_ready());
    drop(ready);
    script.set_readiness(Readiness::error("no route"));
    let error = ServiceExt::<()>::ready(&mut service).await.unwrap_err();
    assert_eq!(error.to_string(), "no route");
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_time_it_gives_its_place_back() {
    let script = failing();
    let mut service = breaker(&script, config());
    trip(&service).await;
    tokio::time::advance(30 * SEC).await;
    script.set(Step::stall());
    for _ in 0..50 {
        // Before ready, after ready, before the first poll, in flight.
        assert!(poll_once(&mut ServiceExt::<()>::ready(&mut service)).is_ready());
        drop(service.clone());
        ServiceExt::<()>::ready(&mut service).await.unwrap();
        drop(service.call(()));
        let mut call = Box::pin(service.clone().oneshot(()));
        assert!(poll_once(&mut call).is_pending());
        assert_eq!(service.handle().snapshot().probes, 1);
        drop(call);
        assert_at_rest(&service);
    }
    script.set(Step::answer("well"));
    for _ in 0..3 {
        assert_eq!(service.clone().oneshot(()).await.unwrap(), "well");
    }
    assert_eq!(service.handle().state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn clones_share_one_breaker_and_a_layer_makes_several() {
    let script = failing();
    let layer = CircuitBreakerLayer::new(config());
    let (first, second) = (layer.layer(script.service()), layer.layer(script.service()));
    trip(&first).await;
    let refused = first.clone().oneshot(()).await.unwrap_err();
    assert_eq!(rejection(&refused).kind(), RejectionKind::CircuitOpen);
    assert_eq!(second.handle().state(), BreakerState::Closed);

    let handle = CircuitBreakerHandle::new(config());
    let layer = CircuitBreakerLayer::shared(&handle).name("both");
    let (first, second) = (layer.layer(script.service()), layer.layer(script.service()));
    trip(&first).await;
    assert_eq!(second.handle().state(), BreakerState::Open);
    assert_eq!(handle.snapshot().name.as_deref(), Some("both"));
}

#[tokio::test(start_paused = true)]
async fn a_spawned_call_over_an_async_closure_with_a_boxed_error_compiles() {
    let inner = tower::service_fn(async |n: u32| Ok::<_, BoxError>(n + 1));
    let service = CircuitBreakerLayer::new(config()).layer(inner);
    let call = {
        let service = service.clone();
        async move { service.oneshot(41).await }
    };
    assert_eq!(tokio::spawn(call).await.unwrap().unwrap(), 42);
    let calls = async move {
        let mut service = service;
        let first: u32 = service.ready().await?.call(1).await?;
        service.ready().await?.call(first).await
    };
    assert_eq!(tokio::spawn(calls).await.unwrap().unwrap(), 3);
}

#[test]
fn it_is_clone_send_and_sync() {
    fn check<T: Clone + Send + Sync + 'static>() {}
    fn check_send<T: Send + Sync + 'static>() {}
    check::<CircuitBreakerLayer>();
    check::<CircuitBreakerHandle>();
    check::<CircuitBreaker<Scripted<u32>, Unary>>();
    check::<CircuitBreaker<Scripted<u32>, Enveloped>>();
    check_send::<Admission>();
    type Boxed = BoxCloneService<u32, u32, BoxError>;
    fn sendable<T: Send>() {}
    sendable::<CircuitBreaker<Boxed, Unary>>();
    sendable::<Guarded<Boxed, Unary, Admission, u32>>();
}

/// A user's own error, with the one conversion that layers ask for.
#[derive(Debug)]
enum Own {
    Refused(Rejection),
    Broken,
}

impl From<Rejection> for Own {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection)
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_type_stays_the_services_own_and_the_classifier_says_what_counts() {
    let inner = tower::service_fn(|n: u32| async move {
        match n {
            0 => Err(Own::Broken),
            n => Ok(n),
        }
    });
    let service = CircuitBreakerLayer::new(config())
        .classify(|result: Result<&u32, &Own>| match result {
            Ok(7) => FAILED,
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Ignored,
        })
        .layer(inner);
    for _ in 0..20 {
        assert!(matches!(service.clone().oneshot(0).await, Err(Own::Broken)));
    }
    for _ in 0..5 {
        assert_eq!(service.clone().oneshot(7).await.unwrap(), 7);
    }
    let Err(Own::Refused(refused)) = service.clone().oneshot(1).await else {
        panic!("not refused");
    };
    assert_eq!(refused.kind(), RejectionKind::CircuitOpen);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_leaves_nothing_behind() {
    let script = Script::new(Step::panic_in_call());
    let service = breaker(&script, config().with_failure_threshold(Some(2)));
    for step in [Step::panic_in_call(), Step::panic_in_poll()] {
        script.set(step);
        let call = tokio::spawn(service.clone().oneshot(()));
        assert!(call.await.unwrap_err().is_panic());
    }
    assert_eq!(service.handle().state(), BreakerState::Open);
    tokio::time::advance(30 * SEC).await;
    let call = tokio::spawn(service.clone().oneshot(()));
    assert!(call.await.unwrap_err().is_panic());
    assert_eq!(service.handle().snapshot().trips, 2);
    assert_at_rest(&service);
}

/// Never more on trial than the limit, however calls end; and afterwards every count is at its start.
#[tokio::test(start_paused = true)]
async fn random_endings_leave_every_count_at_its_start() {
    let script = Script::rule(|call| {
        let step = match call % 11 {
            0..=2 => Step::error("out of order"),
            3 => Step::stall(),
            4 => Step::panic_in_poll(),
            5 => Step::panic_in_call(),
            6 => Step::error_with(|| Rejection::new(RejectionKind::Shed, "test").into()),
            _ => Step::answer("well"),
        };
        step.after((call % 5) as u32 * 10 * MS)
    });
    let service = breaker(
        &script,
        config().with_open_for(100 * MS).with_open_max(100 * MS),
    );
    let mut watch = service.handle().watch();
    let mut rng = seeded(7);
    let (mut calls, mut half_open) = (JoinSet::new(), 0);
    for _ in 0..6_000 {
        let service = service.clone();
        let patience = rng.u32(1..80) * MS;
        calls.spawn(tokio::time::timeout(patience, service.oneshot(())));
        if rng.u32(..3) == 0 {
            tokio::time::sleep(rng.u32(..12) * MS).await;
        }
        if watch.has_changed().unwrap() {
            half_open += u32::from(watch.borrow_and_update().state == BreakerState::HalfOpen);
        }
        assert!(service_probes(&watch, &script) <= 3);
    }
    while calls.join_next().await.is_some() {}
    assert!(half_open > 10, "{half_open}");
    assert_eq!(script.counts().in_flight, 0);
    assert_at_rest(&service);
}

/// Calls in flight, while those can only be on trial: it was open, and longer than any call takes.
fn service_probes(
    watch: &tokio::sync::watch::Receiver<BreakerStatus>,
    script: &Script<&'static str>,
) -> usize {
    match watch.borrow().state {
        BreakerState::HalfOpen => script.counts().in_flight,
        _ => 0,
    }
}

/// 100,000 calls that end in every way, in every state, in any order.
#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_random_endings_leave_nothing_behind() {
    let scene = Scene::new(
        config()
            .with_failure_rate(Some(0.5))
            .with_slow_call(Some(20 * MS))
            .with_slow_rate(Some(0.6))
            .with_open_for(30 * MS)
            .with_open_max(100 * MS)
            .with_half_open_lease(50 * MS),
    );
    let endpoint = Endpoint::new("a");
    scene.handle.breaker.attach(&endpoint);
    let mut rng = seeded(11);
    let (mut calls, mut ended) = (Vec::new(), 0);
    while ended < 100_000 {
        if let Ok(admission) = scene.begin() {
            calls.push(Some(Completion::new(admission)));
        }
        if calls.len() < 20 && rng.u8(..3) == 0 {
            tokio::time::advance(rng.u32(..8) * MS).await;
            continue;
        }
        if calls.is_empty() {
            tokio::time::advance(MS).await;
            continue;
        }
        ended += 1;
        let at = rng.usize(..calls.len());
        let mut call = calls.swap_remove(at);
        let outcome = match rng.u8(..10) {
            0 => FAILED,
            1 => Outcome::Ignored,
            2 => Outcome::Overloaded { retry_after: None },
            3 => {
                let unwound = std::panic::AssertUnwindSafe(|| {
                    // Without the hook that prints it.
                    Completion::watch(&mut call, || std::panic::resume_unwind(Box::new(())));
                });
                assert!(std::panic::catch_unwind(unwound).is_err());
                continue;
            }
            4 => continue,
            _ => Outcome::Success,
        };
        if let Some(call) = call {
            let now = call.observer().clock();
            call.end(now, outcome);
        }
    }
    drop(calls);
    let snapshot = scene.handle.snapshot();
    assert_eq!(snapshot.probes, 0);
    assert!(snapshot.trips > 300, "{snapshot:?}");
    tokio::time::advance(SEC).await;
    scene.calls([Outcome::Success; 3]);
    assert_eq!(scene.state(), BreakerState::Closed);
    assert!(endpoint.gate().is_open(Timestamp::now()));
}
