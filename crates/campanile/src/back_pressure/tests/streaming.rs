//! Answers in pieces count when they end.

use futures_util::StreamExt;

use super::*;
use crate::{protocol::Streaming, testing::ScriptStream};

type Pieces = ScriptStream<u32>;

fn service(
    config: BackPressureConfig,
    stream: Pieces,
) -> BackPressure<Scripted<Pieces>, Streaming> {
    BackPressureLayer::new(config.build().unwrap())
        .unwrap()
        .protocol(Streaming::default())
        .layer(Script::<Pieces>::answering(stream).service())
}

fn counts<S, P>(service: &BackPressure<S, P>) -> Counts {
    service.handle().snapshot().counts
}

#[tokio::test(start_paused = true)]
async fn a_stream_counts_at_its_end_with_the_whole_of_its_time() {
    let stream = ScriptStream::new().piece(1).pause(SEC * 31).piece(2);
    let service = service(config().with_window(SEC * 60), stream);
    let mut stream = service.clone().oneshot(()).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    assert_eq!(counts(&service).calls, 0, "it goes on");
    assert_eq!(service.handle().shared.held(), 1);
    assert!(stream.next().await.unwrap().is_ok());
    assert!(stream.next().await.is_none());
    let counts = counts(&service);
    assert_eq!((counts.calls, counts.errors, counts.slow), (1, 0, 1));
    assert_eq!(service.handle().shared.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_is_an_error_and_one_that_is_dropped_says_nothing() {
    let service = service(config(), ScriptStream::new().piece(1).cut("reset"));
    for _ in 0..100 {
        let stream = service.clone().oneshot(()).await.unwrap();
        assert_eq!(stream.count().await, 2);
    }
    let counted = counts(&service);
    assert_eq!((counted.calls, counted.errors), (100, 100));
    let mut stream = service.clone().oneshot(()).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    assert_eq!(counts(&service), counted);
    assert_eq!(service.handle().shared.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_latency_can_be_that_of_head_or_first_data() {
    // Head at once, first data after 6 s, end after 46 s.
    let stream = ScriptStream::new()
        .pause(SEC * 6)
        .piece(1)
        .pause(SEC * 40)
        .piece(2);
    for (signal, slow, not_fast) in [
        (Signal::Head, 0, 0),
        (Signal::FirstData, 0, 1),
        (Signal::Total, 1, 1),
    ] {
        let config = config().with_window(SEC * 60).with_signal(signal);
        let service = service(config, stream.clone());
        let stream = service.clone().oneshot(()).await.unwrap();
        assert_eq!(stream.count().await, 2);
        let counts = counts(&service);
        assert_eq!(
            (counts.slow, counts.not_fast),
            (slow, not_fast),
            "{signal:?}"
        );
    }
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn http_is_judged_by_status_and_ends_with_its_body() {
    use http::{Request, StatusCode};
    use http_body_util::BodyExt;

    use crate::testing::ScriptBody;

    let upstream = Script::<_>::new(Step::respond(StatusCode::OK, ScriptBody::full("hello")))
        .then(Step::respond(
            StatusCode::SERVICE_UNAVAILABLE,
            ScriptBody::empty(),
        ))
        .then(Step::respond(
            StatusCode::TOO_MANY_REQUESTS,
            ScriptBody::empty(),
        ))
        .then(Step::respond(StatusCode::BAD_REQUEST, ScriptBody::empty()))
        .then(Step::respond(
            StatusCode::INTERNAL_SERVER_ERROR,
            ScriptBody::empty(),
        ));
    let service = BackPressureLayer::new(config())
        .unwrap()
        .http()
        .layer(upstream.service());
    for (calls, errors) in [(1, 1), (2, 2), (2, 2), (3, 3)] {
        let answer = service.clone().oneshot(Request::new(())).await.unwrap();
        assert!(answer.into_body().collect().await.is_ok());
        let counts = counts(&service);
        assert_eq!((counts.calls, counts.errors), (calls, errors));
    }
    let answer = service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(counts(&service).calls, 3, "its body has not been read");
    assert!(answer.into_body().collect().await.is_ok());
    assert_eq!(counts(&service).calls, 4);

    let handle = service.handle();
    handle
        .set_config(BackPressureConfig {
            count_refusals: false,
            ..config()
        })
        .unwrap();
    upstream.push(Step::respond(
        StatusCode::TOO_MANY_REQUESTS,
        ScriptBody::empty(),
    ));
    let answer = service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(counts(&service), Counts::default(), "a refusal is none");
}
