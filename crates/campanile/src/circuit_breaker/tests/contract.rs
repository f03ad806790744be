//! The contract of every layer.

use tower::util::BoxCloneService;

use super::*;
use crate::{
    protocol::{Enveloped, Guarded},
    testing::{Permits, Readiness, ReadinessProbe},
};

#[tokio::test(start_paused = true)]
async fn only_the_instance_that_was_readied_is_called_and_a_clone_holds_no_permit() {
    let script = Script::answering("well");
    let permits = Permits::new(1);
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut service = CircuitBreakerLayer::new(config()).unwrap().layer(probe);
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
    let layer = CircuitBreakerLayer::new(config()).unwrap();
    let (first, second) = (layer.layer(script.service()), layer.layer(script.service()));
    trip(&first).await;
    let refused = first.clone().oneshot(()).await.unwrap_err();
    assert_eq!(rejection(&refused).kind(), RejectionKind::CircuitOpen);
    assert_eq!(second.handle().state(), BreakerState::Closed);

    let handle = CircuitBreakerHandle::new(config()).unwrap();
    let layer = CircuitBreakerLayer::shared(&handle).name("both");
    let (first, second) = (layer.layer(script.service()), layer.layer(script.service()));
    trip(&first).await;
    assert_eq!(second.handle().state(), BreakerState::Open);
    assert_eq!(handle.snapshot().name.as_deref(), Some("both"));
}

#[tokio::test(start_paused = true)]
async fn a_spawned_call_over_an_async_closure_with_a_boxed_error_compiles() {
    let inner = tower::service_fn(async |n: u32| Ok::<_, BoxError>(n + 1));
    let service = CircuitBreakerLayer::new(config()).unwrap().layer(inner);
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
        .unwrap()
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

#[tokio::test(start_paused = true)]
async fn calls_in_their_envelope_and_streams_are_followed() {
    use crate::{
        Call,
        protocol::Streaming,
        testing::{Cut, ScriptStream},
    };
    use futures_util::StreamExt;

    let enveloped = CircuitBreakerLayer::new(config())
        .unwrap()
        .calls()
        .layer(failing().service());
    for _ in 0..5 {
        enveloped.clone().oneshot(Call::new(1)).await.unwrap_err();
    }
    assert_eq!(enveloped.handle().state(), BreakerState::Open);

    let words = ScriptStream::new().piece("one").cut("connection reset");
    let script: Script<ScriptStream<&'static str>> = Script::answering(words);
    let service = CircuitBreakerLayer::new(config())
        .unwrap()
        .protocol(Streaming::default())
        .layer(script.service());
    for i in 0..5 {
        assert_eq!(service.handle().snapshot().failures_in_a_row, f64::from(i));
        let stream = service.clone().oneshot(()).await.unwrap();
        let words: Vec<Result<_, Cut>> = stream.collect().await;
        assert!(words[0].is_ok() && words[1].is_err());
    }
    assert_eq!(service.handle().state(), BreakerState::Open);
}
