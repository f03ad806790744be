use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use ::http::{HeaderMap, Request, Response, StatusCode};
use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, Empty};

use super::*;
use crate::{
    protocol::Http,
    testing::{ScriptBody, ScriptStream},
};

type Answer = Response<ScriptBody>;

fn over(script: &Script<Answer>) -> Hedge<Scripted<Answer>, Http, OnFirstFrame> {
    HedgeLayer::new(plain())
        .unwrap()
        .http()
        .budget(rich())
        .layer(script.service())
}

fn body(first: &'static str, pause: Duration) -> ScriptBody {
    let mut trailers = HeaderMap::new();
    trailers.insert("from", first.parse().unwrap());
    let stream = ScriptStream::new()
        .piece("".into())
        .pause(pause)
        .piece(first.into());
    ScriptBody::new(stream.piece(" end".into()))
        .length(first.len() as u64 + 4)
        .trailers(trailers)
}

fn respond(status: u16, body: ScriptBody) -> Step<Answer> {
    Step::respond(StatusCode::from_u16(status).unwrap(), body)
}

async fn call(script: &Script<Answer>) -> (Response<FirstFrame<ScriptBody>>, Duration) {
    let request = Request::new(Empty::<Bytes>::new());
    let (answer, took) = timed(over(script).oneshot(request)).await;
    (answer.unwrap(), took)
}

#[tokio::test(start_paused = true)]
async fn the_first_data_of_a_body_decide() {
    for (first, winner, time) in [(SEC, "hedge", 150 * MS), (120 * MS, "first", 120 * MS)] {
        let script = Script::<_>::new(respond(200, body("hedge", 50 * MS)))
            .then(respond(200, body("first", first)));
        let (answer, took) = call(&script).await;
        assert_eq!(took, time);
        let body = answer.into_body();
        assert_eq!(body.size_hint().exact(), Some(9), "what was read counts");
        assert!(!body.is_end_stream());
        let read = body.collect().await.unwrap();
        assert_eq!(read.trailers().unwrap()["from"], winner);
        assert_eq!(read.to_bytes(), format!("{winner} end"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_without_data_is_an_answer() {
    let silent = ScriptBody::new(ScriptStream::new()).silent_end();
    for empty in [ScriptBody::empty(), silent] {
        let script = Script::<_>::new(respond(204, empty));
        let (answer, took) = call(&script).await;
        assert_eq!((answer.status().as_u16(), took), (204, Duration::ZERO));
        assert!(answer.body().is_end_stream());
        assert!(answer.into_body().frame().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_of_failure_waits_for_the_other_and_is_the_answer_alone() {
    let script = Script::<_>::new(respond(200, body("hedge", 300 * MS)))
        .then(respond(500, body("first", MS)).after(120 * MS));
    assert_eq!(call(&script).await.0.status(), 200);
    let script = Script::<_>::new(respond(400, body("no", SEC)));
    let (answer, took) = call(&script).await;
    assert_eq!((answer.status().as_u16(), took), (400, Duration::ZERO));
    let read = answer.into_body().collect().await.unwrap();
    assert_eq!(read.to_bytes(), "no end");
    assert_eq!(script.counts().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_before_its_data_has_failed() {
    let cut = ScriptBody::new(ScriptStream::new().pause(150 * MS).cut("reset"));
    let script =
        Script::<_>::new(respond(200, body("hedge", 300 * MS))).then(respond(200, cut.clone()));
    let (answer, took) = call(&script).await;
    assert_eq!(took, 400 * MS);
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "hedge end"
    );
    let script = Script::<_>::new(respond(200, cut));
    let (answer, _) = call(&script).await;
    assert!(answer.into_body().collect().await.is_err());
}

/// What upstreams were sent, and whether the call was hedged, where the first of them hangs once it has read its body.
async fn upload(body: ScriptBody, cap: usize) -> (Vec<Bytes>, bool) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&sent);
    let calls = Arc::new(AtomicU32::new(0));
    let upstream = tower::service_fn(move |request: Request<ReplayBody<ScriptBody>>| {
        let (note, first) = (Arc::clone(&note), calls.fetch_add(1, Relaxed) == 0);
        async move {
            let body = request.into_body().collect().await?.to_bytes();
            note.lock().unwrap().push(body);
            if first {
                tokio::time::sleep(SEC).await;
            }
            Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let service = HedgeLayer::new(plain())
        .unwrap()
        .http()
        .replay_bodies(cap)
        .budget(rich())
        .layer(upstream);
    service.clone().oneshot(Request::new(body)).await.unwrap();
    let sent = sent.lock().unwrap().clone();
    (sent, service.snapshot().won == 1)
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_cloned_is_sent_from_the_record() {
    let body = || ScriptBody::new(ScriptStream::from_iter(["one ".into(), "two".into()]));
    assert_eq!(upload(body(), 7).await, (vec!["one two".into(); 2], true));
    assert_eq!(upload(body(), 6).await, (vec!["one two".into()], false));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_body_is_still_being_sent_is_left_alone() {
    let stream = ScriptStream::new().piece("one ".into()).pause(SEC);
    let body = ScriptBody::new(stream.piece("two".into()));
    assert_eq!(upload(body, 100).await, (vec!["one two".into()], false));
}

/// To the caller it would have broken off; nothing has been passed on yet.
#[cfg(feature = "retry")]
#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_before_its_data_is_tried_again_by_a_retry_around_it() {
    use crate::retry::{RetryConfig, RetryLayer};

    let cut = ScriptBody::new(ScriptStream::new().pause(MS).cut("reset"));
    let script = Script::<_>::new(respond(200, body("second", MS))).then(respond(200, cut));
    let retry = RetryLayer::new(RetryConfig::default()).unwrap().http();
    let service = retry.layer(over(&script));
    let request = Request::new(Empty::<Bytes>::new());
    let answer = service.oneshot(request).await.unwrap();
    let read = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(read, "second end");
    assert_eq!(script.counts().calls, 2);
}
