//! The contracts of the layer. Each is a test.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use tower::{ServiceBuilder, ServiceExt};
use tower_layer::Layer;

use super::*;
use crate::{
    BoxError, Call, Context as CallContext, Rejection,
    context::Repeat,
    metrics::{MetricsLayer, Reading},
    outcome::FailureKind,
    protocol::{Followed, Streaming, Unary},
    rejection::RejectionKind,
    testing::{Permits, Readiness, ReadinessProbe, Script, ScriptStream, Scripted, Step},
};

const MS: Duration = Duration::from_millis(1);

type Well = Measured<Scripted<&'static str>, Unary>;

fn layer() -> (Recorder, MetricsLayer) {
    let recorder = Recorder::new();
    let layer = MetricsLayer::new(&recorder);
    (recorder, layer)
}

/// A service by script.
fn scene() -> (Script<&'static str>, Well, Recorder) {
    let (recorder, layer) = layer();
    let script = Script::answering("well");
    (script.clone(), layer.layer(script.service()), recorder)
}

/// Begun, ended in whatever way, and in flight.
fn counts(reading: &Reading) -> (u64, u64, u64) {
    (
        reading.requests,
        reading.outcomes.total(),
        reading.in_flight,
    )
}

#[tokio::test(start_paused = true)]
async fn it_calls_only_the_instance_that_was_readied() {
    let (recorder, layer) = layer();
    let service = layer.layer(ReadinessProbe::new(Script::answering("well").service()));
    let mut one = service.clone();
    for _ in 0..3 {
        let ready = ServiceExt::<()>::ready(&mut one).await.unwrap();
        assert_eq!(Service::call(ready, ()).await.unwrap(), "well");
    }
    assert_eq!(service.oneshot(()).await.unwrap(), "well");
    assert_eq!(recorder.read().outcomes.success, 4);
}

#[tokio::test(start_paused = true)]
async fn a_clone_holds_no_permit_and_a_dropped_one_gives_it_back() {
    let permits = Permits::new(1);
    let probe = ReadinessProbe::new(Script::answering("well").service()).permits(permits.clone());
    let mut service = layer().1.layer(probe);
    ServiceExt::<()>::ready(&mut service).await.unwrap();
    assert_eq!(permits.reserved(), 1);
    let clone = service.clone();
    drop(service);
    assert_eq!((permits.free(), permits.reserved()), (1, 0));
    assert_eq!(clone.oneshot(()).await.unwrap(), "well");
}

#[tokio::test(start_paused = true)]
async fn readiness_and_its_errors_are_those_of_the_service_and_measured_nowhere() {
    let (script, mut service, recorder) = scene();
    script.set_readiness(Readiness::Pending);
    let mut task = tokio_test::task::spawn(std::future::poll_fn(move |cx| {
        Service::<()>::poll_ready(&mut service, cx)
    }));
    assert!(task.poll().is_pending());
    tokio::time::advance(MS).await;
    script.set_readiness(Readiness::error("dead"));
    assert!(task.is_woken(), "who waits is woken");
    assert!(task.await.is_err());
    assert_eq!(counts(&recorder.read()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_point_nothing_is_in_flight_and_nothing_is_timed() {
    let (script, service, recorder) = scene();
    script.set(Step::stall());
    // Before ready, after ready: no call.
    drop(service.clone().oneshot(()));
    let mut ready = service.clone();
    ServiceExt::<()>::ready(&mut ready).await.unwrap();
    drop(ready);
    assert_eq!(counts(&recorder.read()), (0, 0, 0));
    // In flight.
    let mut calls: Vec<_> = (0..5)
        .map(|_| tokio_test::task::spawn(service.clone().oneshot(())))
        .collect();
    for call in &mut calls {
        assert!(call.poll().is_pending());
    }
    assert_eq!(counts(&recorder.read()), (5, 0, 5));
    tokio::time::advance(MS).await;
    drop(calls);
    let reading = recorder.read();
    assert_eq!(counts(&reading), (5, 5, 0));
    assert_eq!(reading.outcomes.cancelled, 5);
    assert!(reading.start.total.is_empty() && reading.start.failed.is_empty());
    // Made and never polled.
    let mut unpolled = service.clone();
    let call = ServiceExt::<()>::ready(&mut unpolled)
        .await
        .unwrap()
        .call(());
    assert_eq!(recorder.read().in_flight, 1);
    drop(call);
    assert_eq!(counts(&recorder.read()), (6, 6, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_in_flight_to_its_last_piece() {
    let (recorder, layer) = layer();
    let stream = ScriptStream::new()
        .pause(10 * MS)
        .piece(1)
        .pause(20 * MS)
        .piece(2)
        .pause(30 * MS);
    let service = layer
        .protocol(Streaming::default())
        .layer(Script::<ScriptStream<u32>>::answering(stream).service());
    let mut stream = service.clone().oneshot(()).await.unwrap();
    assert!(stream.next().await.is_some());
    assert_eq!(counts(&recorder.read()), (1, 0, 1));
    drop(stream);
    let reading = recorder.read();
    assert_eq!(
        (counts(&reading), reading.outcomes.cancelled),
        ((1, 1, 0), 1)
    );
    assert!(reading.start.first_data.is_empty());

    let stream = service.oneshot(()).await.unwrap();
    assert_eq!(stream.count().await, 2);
    let start = recorder.read().start;
    let close = |told: Option<Duration>, exact| told.unwrap().abs_diff(exact) <= exact / 100;
    assert_eq!(start.head.max(), Some(Duration::ZERO));
    assert!(close(start.first_data.max(), 10 * MS));
    assert!(close(start.between_data.max(), 20 * MS));
    assert!(close(start.total.max(), 60 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_has_failed_and_makes_no_latency() {
    let (recorder, layer) = layer();
    let stream = ScriptStream::new().piece(1).pause(MS).cut("reset");
    let service = layer
        .protocol(Streaming::default())
        .layer(Script::<ScriptStream<u32>>::answering(stream).service());
    assert_eq!(service.oneshot(()).await.unwrap().count().await, 2);
    let reading = recorder.read();
    assert_eq!(counts(&reading), (1, 1, 0));
    assert_eq!(reading.outcomes.failures(), 1);
    assert!(reading.start.total.is_empty() && reading.start.first_data.is_empty());
    assert_eq!(reading.start.failed.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_reaches_the_caller() {
    let (script, service, recorder) = scene();
    for step in [Step::panic_in_call(), Step::panic_in_poll()] {
        script.set(step);
        let call = tokio::spawn(service.clone().oneshot(()));
        assert!(call.await.unwrap_err().is_panic());
    }
    let reading = recorder.read();
    assert_eq!(counts(&reading), (2, 2, 0));
    let panics = FailureKind::ALL.map(|kind| if kind == FailureKind::Panic { 2 } else { 0 });
    assert_eq!(reading.outcomes.failure, panics);
}

#[tokio::test(start_paused = true)]
async fn the_permit_of_a_call_is_free_when_its_end_is_counted() {
    let permits = Permits::new(1);
    let (recorder, layer) = layer();
    let probe = ReadinessProbe::new(Script::answering("well").service()).permits(permits.clone());
    let service = layer.layer(probe);
    assert_eq!(service.oneshot(()).await.unwrap(), "well");
    assert_eq!((permits.free(), permits.used()), (1, 0));
    assert_eq!(counts(&recorder.read()), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_further_in_is_counted_by_layer_and_kind() {
    let (recorder, layer) = layer();
    let service = layer.layer(tower::service_fn(|()| async {
        Err::<(), BoxError>(Rejection::new(RejectionKind::RateLimited, "rate_limit").into())
    }));
    for _ in 0..3 {
        assert!(service.clone().oneshot(()).await.is_err());
    }
    let reading = recorder.read();
    assert_eq!(reading.refusals.len(), 1);
    let refused = reading.refusals[0];
    assert_eq!((refused.layer, refused.count), ("rate_limit", 3));
    assert_eq!(refused.kind, RejectionKind::RateLimited);
    assert_eq!(counts(&reading), (3, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn errors_of_any_kind_pass_through() {
    /// Not made of a rejection, which this layer does not ask for.
    #[derive(Debug, PartialEq)]
    struct Plain;

    let (recorder, layer) = layer();
    let service = layer.layer(tower::service_fn(|()| async { Err::<(), _>(Plain) }));
    assert_eq!(service.oneshot(()).await, Err(Plain));
    assert_eq!(recorder.read().outcomes.failures(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stage_says_since_when_a_call_is_on_its_way_and_an_endpoint_how_long_it_waited() {
    let (stage, endpoint) = (Recorder::new(), Recorder::new());
    let service = ServiceBuilder::new()
        .layer(MetricsLayer::new(&stage).stamp(true).calls())
        // A queue.
        .map_future(|call| async move {
            tokio::time::sleep(25 * MS).await;
            call.await
        })
        .layer(tower::layer::layer_fn(Lazy))
        .layer(MetricsLayer::new(&endpoint).calls())
        .service(tower::service_fn(|call: Call<u32>| async move {
            let context = call.context;
            Ok::<_, BoxError>((context.queued_since, call.message))
        }));
    let before = Timestamp::now();
    let (since, message) = service.clone().oneshot(Call::new(7)).await.unwrap();
    assert_eq!((since, message), (Some(before), 7), "left as it was");
    assert!(stage.read().start.wait.is_empty());
    let waits = endpoint.read().start.wait;
    assert_eq!(waits.count(), 1);
    assert!(waits.max().unwrap().abs_diff(25 * MS) < MS);

    // Who has said so already is not told otherwise.
    let mut call = Call::new(8);
    let earlier = Timestamp::from_nanos(before.as_nanos() - 1);
    call.context.queued_since = Some(earlier);
    assert_eq!(service.oneshot(call).await.unwrap().0, Some(earlier));
}

/// Calls what is within when it is polled, and not before.
#[derive(Clone)]
struct Lazy<S>(S);

impl<S, Req> Service<Req> for Lazy<S>
where
    S: Service<Req> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
    S::Error: Send,
    Req: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = futures_util::future::BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let clone = self.0.clone();
        let mut service = std::mem::replace(&mut self.0, clone);
        Box::pin(async move { service.call(request).await })
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_does_not_stamp_leaves_contexts_alone_and_counts_other_attempts() {
    let (recorder, layer) = layer();
    let service = layer
        .calls()
        .layer(tower::service_fn(|call: Call<()>| async move {
            assert_eq!(call.context.queued_since, None);
            Ok::<_, BoxError>(())
        }));
    for repeat in [None, Some(Repeat::Retry), Some(Repeat::Hedge)] {
        let mut call = Call::new(());
        call.context = CallContext::new();
        call.context.repeat = repeat;
        service.clone().oneshot(call).await.unwrap();
    }
    let reading = recorder.read();
    assert_eq!(
        (reading.requests, reading.retries, reading.hedges),
        (3, 1, 1)
    );
    assert!(reading.start.wait.is_empty());
}

#[tokio::test(start_paused = true)]
async fn services_of_one_recorder_are_recorded_together() {
    let (recorder, layer) = layer();
    for _ in 0..2 {
        let service = layer.clone().layer(Script::answering("well").service());
        assert!(service.recorder().clone().read().requests <= 1);
        service.oneshot(()).await.unwrap();
    }
    assert_eq!(recorder.read().requests, 2);
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn http_is_judged_by_status_and_ends_with_its_body() {
    use http::{Request, StatusCode};
    use http_body_util::BodyExt;

    use crate::testing::ScriptBody;

    let (recorder, layer) = layer();
    let step = || Step::respond(StatusCode::OK, ScriptBody::full("hello"));
    let upstream = Script::<_>::new(step()).then(step()).then(Step::respond(
        StatusCode::SERVICE_UNAVAILABLE,
        ScriptBody::empty(),
    ));
    let service = layer.http().stamp(true).layer(upstream.service());
    let request = || {
        let request = Request::builder().header("content-length", "11");
        request.body(()).unwrap()
    };
    let answer = service.clone().oneshot(request()).await.unwrap();
    assert_eq!(counts(&recorder.read()), (1, 0, 1), "its body is not read");
    drop(answer);
    assert_eq!(recorder.read().outcomes.cancelled, 1);
    for _ in 0..2 {
        let answer = service.clone().oneshot(request()).await.unwrap();
        assert!(answer.into_body().collect().await.is_ok());
    }
    let reading = recorder.read();
    assert_eq!(counts(&reading), (3, 3, 0));
    let outcomes = reading.outcomes;
    assert_eq!(
        (outcomes.success, outcomes.overloaded + outcomes.failures()),
        (1, 1)
    );
    assert_eq!((reading.sent_bytes, reading.received_bytes), (33, 5));
}

#[tokio::test(start_paused = true)]
async fn a_call_over_boxed_errors_can_be_spawned() {
    let service = ServiceBuilder::new()
        .layer(layer().1)
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
    check::<MetricsLayer>();
    check::<Recorder>();
    check::<Well>();
    fn send<T: Send>() {}
    send::<Followed<Scripted<&'static str>, Unary, Recording, ()>>();
    send::<Arc<crate::Completion<Recording>>>();
}
