//! What every layer must keep, while somebody listens.

use super::*;
use crate::{
    protocol::{Enveloped, Unary},
    testing::{Permits, Readiness, ReadinessProbe},
};

fn layer() -> TraceLayer {
    TraceLayer::stage("chat")
}

#[tokio::test(start_paused = true)]
async fn it_calls_only_the_instance_that_was_readied() {
    let (_capture, _guard) = Capture::all();
    let service = layer().layer(ReadinessProbe::new(well().service()));
    let mut one = service.clone();
    for _ in 0..3 {
        let ready = ServiceExt::<()>::ready(&mut one).await.unwrap();
        assert_eq!(ready.call(()).await.unwrap(), "well");
    }
    assert_eq!(service.oneshot(()).await.unwrap(), "well");
}

#[tokio::test(start_paused = true)]
async fn a_clone_holds_no_permit_and_a_dropped_one_gives_it_back() {
    let permits = Permits::new(1);
    let probe = ReadinessProbe::new(well().service()).permits(permits.clone());
    let mut service = layer().layer(probe);
    ServiceExt::<()>::ready(&mut service).await.unwrap();
    assert_eq!(permits.reserved(), 1);
    let clone = service.clone();
    drop(service);
    assert_eq!((permits.free(), permits.reserved()), (1, 0));
    assert_eq!(clone.oneshot(()).await.unwrap(), "well");
}

#[tokio::test(start_paused = true)]
async fn readiness_and_its_errors_are_those_of_the_service() {
    let script = well();
    script.set_readiness(Readiness::Pending);
    let mut service = layer().layer(script.service());
    let mut task = tokio_test::task::spawn(std::future::poll_fn(move |cx| {
        Service::<()>::poll_ready(&mut service, cx)
    }));
    assert!(task.poll().is_pending());
    script.set_readiness(Readiness::error("dead"));
    assert!(task.is_woken(), "who waits is woken");
    assert!(task.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_point_it_gives_everything_back() {
    let (capture, _guard) = Capture::all();
    let script = Script::<()>::new(Step::stall());
    let service = stage(&script);
    // Before ready, after ready.
    drop(service.clone().oneshot(Call::new(())));
    let mut readied = service.clone();
    ServiceExt::<Call<()>>::ready(&mut readied).await.unwrap();
    drop(readied);
    assert!(capture.spans("call").is_empty());
    // Called and never polled, and in flight.
    let mut called = service.clone();
    drop(
        ServiceExt::<Call<()>>::ready(&mut called)
            .await
            .unwrap()
            .call(Call::new(())),
    );
    let mut call = tokio_test::task::spawn(service.oneshot(Call::new(())));
    assert!(call.poll().is_pending());
    drop(call);
    assert_eq!(script.counts().in_flight, 0);
    let outcomes: Vec<_> = capture.spans("call");
    assert_eq!(outcomes.len(), 2);
    assert!(
        outcomes
            .iter()
            .all(|span| span.get("outcome") == "cancelled")
    );
    assert_eq!(capture.lines().len(), 2);
    assert!(capture.is_over());
}

#[tokio::test(start_paused = true)]
async fn errors_of_any_kind_pass_through() {
    /// Not made of a rejection, which this layer does not ask for.
    #[derive(Debug, PartialEq)]
    struct Plain;
    impl std::fmt::Display for Plain {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("plain")
        }
    }

    let (capture, _guard) = Capture::all();
    let service = layer().layer(tower::service_fn(|()| async { Err::<(), _>(Plain) }));
    assert_eq!(service.oneshot(()).await, Err(Plain));
    assert_eq!(capture.line().get("error"), "plain");
}

#[tokio::test(start_paused = true)]
async fn a_call_over_boxed_errors_can_be_spawned() {
    let endpoint = Endpoint::new("a");
    let service = ServiceBuilder::new()
        .layer(TraceLayer::stage("chat"))
        .layer(TraceLayer::attempt())
        .layer(TraceLayer::endpoint(&endpoint))
        .service(tower::service_fn(|request: String| async move {
            tokio::task::yield_now().await;
            Ok::<_, BoxError>(request)
        }));
    let answer = tokio::spawn(async move { service.oneshot("hello".to_owned()).await });
    assert_eq!(answer.await.unwrap().unwrap(), "hello");
}

#[test]
fn what_goes_between_threads_can() {
    fn check<T: Clone + Send + Sync>() {}
    check::<TraceLayer>();
    check::<Trace<Scripted<&'static str>, Enveloped, ContextIds>>();
    fn send<T: Send>() {}
    send::<TraceFuture<Scripted<&'static str>, Unary, ()>>();
    fn sync<T: Send + Sync>() {}
    sync::<Traced>();
}

#[test]
fn nothing_of_a_call_shows_in_what_is_printed_of_the_layer() {
    let layer = TraceLayer::endpoint(&Endpoint::new("eu-1"));
    let text = format!(
        "{layer:?} {:?} {:?}",
        layer.layer(well().service()),
        Traced::OFF
    );
    assert!(text.contains("eu-1"), "{text}");
}
