//! What every layer must keep.

use super::*;
use crate::testing::{Permits, Readiness, ReadinessProbe};

fn layer() -> BackPressureLayer {
    BackPressureLayer::new(config()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn it_calls_only_the_instance_that_was_readied() {
    let service = layer().layer(ReadinessProbe::new(Script::answering("well").service()));
    let mut one = service.clone();
    for _ in 0..3 {
        let ready = ServiceExt::<()>::ready(&mut one).await.unwrap();
        assert_eq!(
            tower_service::Service::call(ready, ()).await.unwrap(),
            "well"
        );
    }
    assert_eq!(service.oneshot(()).await.unwrap(), "well");
}

#[tokio::test(start_paused = true)]
async fn a_clone_holds_no_permit_and_a_dropped_one_gives_it_back() {
    let permits = Permits::new(1);
    let probe = ReadinessProbe::new(Script::answering("well").service()).permits(permits.clone());
    let mut service = layer().layer(probe);
    ServiceExt::<()>::ready(&mut service).await.unwrap();
    assert_eq!(permits.reserved(), 1);
    let clone = service.clone();
    drop(service);
    assert_eq!((permits.free(), permits.reserved()), (1, 0));
    assert_eq!(clone.oneshot(()).await.unwrap(), "well");
}

#[tokio::test(start_paused = true)]
async fn the_permit_of_a_call_is_free_when_its_end_is_counted() {
    let permits = Permits::new(1);
    let script = Script::answering("well");
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let service = layer().layer(probe);
    for (step, counted) in [(well(), 1), (broken(), 2)] {
        script.push(step);
        let _ = service.clone().oneshot(()).await;
        assert_eq!((permits.free(), permits.used()), (1, 0));
        assert_eq!(service.handle().snapshot().counts.calls, counted);
    }
}

#[tokio::test(start_paused = true)]
async fn readiness_and_its_errors_are_those_of_the_service() {
    let script = Script::answering("well");
    script.set_readiness(Readiness::Pending);
    let mut service = layer().layer(script.service());
    let mut task = tokio_test::task::spawn(std::future::poll_fn(move |cx| {
        tower_service::Service::<()>::poll_ready(&mut service, cx)
    }));
    assert!(task.poll().is_pending());
    script.set_readiness(Readiness::error("dead"));
    assert!(task.is_woken(), "who waits is woken");
    assert!(task.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_point_it_gives_everything_back() {
    let scene = Scene::new();
    let held = || scene.service.handle().shared.held();
    scene.script.set(Step::stall());
    // Before ready, after ready.
    drop(scene.service.clone().oneshot(()));
    let mut service = scene.service.clone();
    ServiceExt::<()>::ready(&mut service).await.unwrap();
    drop(service);
    // In flight.
    let mut calls: Vec<_> = (0..5)
        .map(|_| tokio_test::task::spawn(scene.service.clone().oneshot(())))
        .collect();
    for call in &mut calls {
        assert!(call.poll().is_pending());
    }
    assert_eq!((held(), scene.script.counts().in_flight), (5, 5));
    drop(calls);
    assert_eq!((held(), scene.script.counts().in_flight), (0, 0));
    let handle = scene.service.handle();
    assert_eq!(handle.snapshot().counts, Counts::default());
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_reaches_the_caller() {
    let scene = Scene::new();
    for step in [Step::panic_in_call(), Step::panic_in_poll()] {
        scene.script.set(step);
        let call = tokio::spawn(scene.service.clone().oneshot(()));
        assert!(call.await.unwrap_err().is_panic());
    }
    let handle = scene.service.handle();
    let counts = handle.snapshot().counts;
    assert_eq!((counts.calls, counts.errors), (2, 2));
    assert_eq!(handle.shared.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn errors_of_any_kind_pass_through() {
    /// Not made of a rejection, which this layer does not ask for.
    #[derive(Debug, PartialEq)]
    struct Plain;

    let service = layer().layer(tower::service_fn(|()| async { Err::<(), _>(Plain) }));
    assert_eq!(service.clone().oneshot(()).await, Err(Plain));
    assert_eq!(service.handle().snapshot().counts.errors, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_over_boxed_errors_can_be_spawned() {
    let service = tower::ServiceBuilder::new()
        .layer(layer())
        .service(tower::service_fn(|request: String| async move {
            tokio::task::yield_now().await;
            Ok::<_, BoxError>(request)
        }));
    let answer = tokio::spawn(async move { service.oneshot("hello".to_owned()).await });
    assert_eq!(answer.await.unwrap().unwrap(), "hello");
}

#[tokio::test(start_paused = true)]
async fn a_message_in_its_envelope_is_followed() {
    let service = layer()
        .calls()
        .layer(tower::service_fn(|call: crate::Call<u32>| async move {
            Ok::<_, BoxError>(call.message + 1)
        }));
    let call = crate::Call::new(1);
    assert_eq!(service.clone().oneshot(call).await.unwrap(), 2);
    assert_eq!(service.handle().snapshot().counts.calls, 1);
}

#[test]
fn what_goes_between_threads_can() {
    fn check<T: Clone + Send + Sync>() {}
    check::<BackPressureLayer>();
    check::<BackPressureHandle>();
    check::<Service>();
    fn send<T: Send>() {}
    send::<Followed<Scripted<&'static str>, Unary, Timed, ()>>();
}
