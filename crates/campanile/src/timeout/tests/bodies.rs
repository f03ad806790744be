//! Answers that are HTTP bodies.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;

use super::*;
use crate::{protocol::Http, testing::ScriptBody};

type Service = Timeout<Scripted<Response<ScriptBody>>, Http, Everything>;

fn http(body: ScriptBody, config: TimeoutConfig) -> Service {
    let script = Script::new(Step::respond(StatusCode::OK, body).after(MS));
    TimeoutLayer::new(config)
        .unwrap()
        .http()
        .layer(script.service())
}

fn pieces(stream: ScriptStream<Bytes>) -> ScriptBody {
    ScriptBody::new(stream)
}

fn stream() -> ScriptStream<Bytes> {
    ScriptStream::new()
}

/// Bytes up to the end of a call, the error if there was one, and how long it took.
async fn read(service: Service, request: Request<()>) -> (String, Option<BoxError>, Duration) {
    let begin = Instant::now();
    let mut text = String::new();
    let mut error = None;
    let response = service.oneshot(request).await.unwrap();
    let mut body = Box::pin(response.into_body());
    while let Some(frame) = body.frame().await {
        assert!(error.is_none(), "something follows the error");
        match frame {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    text.push_str(std::str::from_utf8(&data).unwrap());
                }
            }
            Err(cut) => error = Some(cut),
        }
    }
    assert!(body.is_end_stream());
    (text, error, Instant::now() - begin)
}

#[tokio::test(start_paused = true)]
async fn a_body_in_time_is_left_alone() {
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", 0.into());
    let body = pieces(
        stream()
            .piece("one ".into())
            .pause(40 * MS)
            .piece("two".into()),
    )
    .trailers(trailers)
    .length(7);
    let config = clocks()
        .with_first_data(30 * MS)
        .with_between_data(50 * MS)
        .with_total(SEC);
    let response = http(body, config).oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(7));
    assert!(!response.body().is_end_stream());
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(collected.to_bytes(), "one two");

    let empty = http(ScriptBody::empty(), clocks().with_total(SEC))
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert!(empty.body().is_end_stream());
    assert_eq!(empty.body().size_hint().exact(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn each_clock_cuts_what_it_is_for() {
    let slow = (0..100).fold(stream(), |stream, _| {
        stream.piece("x".into()).pause(40 * MS)
    });
    let all = clocks()
        .with_head(30 * MS)
        .with_first_data(60 * MS)
        .with_between_data(50 * MS)
        .with_total(500 * MS);
    for (body, clock, after) in [
        (stream().stall(), Clock::FirstData, 60 * MS),
        (
            stream().piece("one".into()).stall(),
            Clock::BetweenData,
            51 * MS,
        ),
        (slow, Clock::Total, 500 * MS),
    ] {
        // A length that is declared is not reached: the reader must not take the end for a good one.
        let (_, error, took) = read(
            http(pieces(body).length(1_000), all.clone()),
            Request::new(()),
        )
        .await;
        assert_timed_out(&error.expect("it ended cleanly"), clock);
        assert!((after..=after + MS).contains(&took), "{clock}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_extensions_cuts_a_body() {
    let mut request = Request::new(());
    Context::of_mut(&mut request).deadline = Some(Instant::now() + 80 * MS);
    let body = pieces(stream().piece("one".into()).stall());
    let (text, error, took) = read(http(body, clocks()), request).await;
    assert_eq!(text, "one");
    assert_timed_out(&error.unwrap(), Clock::Deadline);
    assert!((80 * MS..=81 * MS).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn empty_pieces_are_no_data() {
    let body = (0..100).fold(stream(), |stream, _| {
        stream.pause(20 * MS).piece(Bytes::new())
    });
    let (_, error, took) = read(
        http(pieces(body), clocks().with_first_data(90 * MS)),
        Request::new(()),
    )
    .await;
    assert_timed_out(&error.unwrap(), Clock::FirstData);
    assert!((90 * MS..=91 * MS).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn comments_of_an_event_stream_are_no_data() {
    let body = (0..100).fold(stream().piece("data: 1\n\n".into()), |stream, _| {
        stream
            .pause(20 * MS)
            .piece(": PROC".into())
            .pause(20 * MS)
            .piece("ESSING\r\n\r\n".into())
    });
    let script = Script::<Response<ScriptBody>>::new(Step::respond(StatusCode::OK, pieces(body)));
    let service = TimeoutLayer::new(clocks().with_between_data(90 * MS))
        .unwrap()
        .http()
        .counting(SseData::new())
        .layer(script.service());
    let response = service.oneshot(Request::new(())).await.unwrap();
    let (collected, took) = taking(response.into_body().collect()).await;
    assert_timed_out(&collected.unwrap_err(), Clock::BetweenData);
    assert!((90 * MS..=91 * MS).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_complete_is_let_through_late() {
    let body = ScriptBody::full("all of it");
    let service = http(body, clocks().with_total(SEC));
    let response = service.oneshot(Request::new(())).await.unwrap();
    tokio::time::sleep(10 * SEC).await;
    let whole = response.into_body().collect().await.unwrap();
    assert_eq!(whole.to_bytes(), "all of it");
}

#[tokio::test(start_paused = true)]
async fn its_own_error_passes_through() {
    let body = pieces(stream().piece("one".into()).cut("reset"));
    let (text, error, _) = read(http(body, clocks().with_total(SEC)), Request::new(())).await;
    assert_eq!(text, "one");
    assert!(error.unwrap().is::<crate::testing::Cut>());
}

/// A breaker or a pool around it sees that the call went wrong.
#[tokio::test(start_paused = true)]
async fn a_guard_around_it_sees_a_body_that_was_cut() {
    use crate::{
        completion::{Completion, Observe},
        outcome::{FailureKind, Outcome},
        time::Timestamp,
    };
    use std::sync::{Arc, Mutex};

    struct End(Arc<Mutex<Vec<Outcome>>>);
    impl Observe for End {
        fn end(&mut self, _: Timestamp, outcome: Outcome) {
            self.0.lock().unwrap().push(outcome);
        }
    }

    let ends = Arc::default();
    let service = http(pieces(stream().stall()), clocks().with_first_data(50 * MS));
    let response = service.oneshot(Request::new(())).await.unwrap();
    let guarded = Protocol::<Request<()>, _, BoxError>::complete(
        &Http::default(),
        Ok(response),
        Completion::new(End(Arc::clone(&ends))),
        Timestamp::now(),
    );
    let _ = guarded.unwrap().into_body().collect().await.unwrap_err();
    assert_eq!(
        *ends.lock().unwrap(),
        [Outcome::Failure(FailureKind::Interrupted)]
    );
}

/// As hedges and other readers of bodies ask. The frames are read here without a pin.
#[tokio::test(start_paused = true)]
async fn it_can_be_moved_while_it_is_read() {
    let stream = stream().piece("one".into()).pause(MS).piece("two".into());
    let service = http(pieces(stream.stall()), clocks().with_between_data(50 * MS));
    let mut body = service.oneshot(Request::new(())).await.unwrap().into_body();
    for piece in ["one", "two"] {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
        body = *Box::new(body);
    }
    assert!(body.frame().await.unwrap().is_err());
}
