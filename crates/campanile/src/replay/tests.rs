use ::http::{HeaderMap, Request};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};

use super::*;
use crate::testing::{ScriptBody, ScriptStream};

fn pair(body: ScriptBody, cap: usize) -> (ReplayBody<ScriptBody>, ReplayBody<ScriptBody>) {
    ReplayBody::pair(body, cap)
}

fn pieces() -> ScriptStream<Bytes> {
    ScriptStream::from_iter(["one ".into(), "two".into()])
}

async fn frame(body: &mut ReplayBody<ScriptBody>) -> Option<Bytes> {
    let frame = body.frame().await?.unwrap();
    Some(frame.into_data().unwrap())
}

#[tokio::test(start_paused = true)]
async fn data_and_trailers_are_the_same_each_time() {
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", 7.into());
    let body = ScriptBody::new(pieces())
        .length(7)
        .trailers(trailers.clone());
    let (first, kept) = pair(body, 7);
    assert_eq!(first.size_hint().exact(), Some(7));
    let mut next = Some(first);
    for _ in 0..3 {
        let body = next.take().or_else(|| kept.again()).unwrap();
        assert_eq!(body.size_hint().exact(), Some(7));
        assert!(!body.is_end_stream());
        let read = body.collect().await.unwrap();
        assert_eq!(read.trailers(), Some(&trailers));
        assert_eq!(read.to_bytes(), "one two");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_reads_on_where_the_one_before_was_dropped() {
    let (mut first, kept) = pair(ScriptBody::new(pieces()), 100);
    assert_eq!(frame(&mut first).await.unwrap(), "one ");
    drop(first);
    let second = kept.again().unwrap();
    assert_eq!(second.collect().await.unwrap().to_bytes(), "one two");
}

/// The earlier one could take what the later one waits for, or its wake-up.
#[tokio::test(start_paused = true)]
async fn an_earlier_attempt_that_still_reads_is_stopped() {
    let (mut first, kept) = pair(ScriptBody::new(pieces()), 100);
    assert_eq!(frame(&mut first).await.unwrap(), "one ");
    let mut second = kept.again().unwrap();
    assert!(first.frame().await.unwrap().is_err());
    assert!(first.is_end_stream() && first.frame().await.is_none());
    assert_eq!(frame(&mut second).await.unwrap(), "one ");
    assert_eq!(frame(&mut second).await.unwrap(), "two");
    assert!(second.is_end_stream());
    assert!(frame(&mut second).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn beyond_the_cap_it_is_passed_on_and_not_kept() {
    let (mut first, kept) = pair(ScriptBody::new(pieces()), 6);
    assert_eq!(frame(&mut first).await.unwrap(), "one ");
    assert!(kept.is_whole());
    assert_eq!(frame(&mut first).await.unwrap(), "two");
    assert!(!kept.is_whole() && kept.again().is_none());
    assert!(first.is_end_stream() && frame(&mut first).await.is_none());

    let (first, kept) = pair(ScriptBody::new(pieces()).length(7), 6);
    assert!(!kept.is_whole(), "known in advance");
    assert_eq!(first.collect().await.unwrap().to_bytes(), "one two");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_cannot_be_sent_again() {
    let (first, kept) = pair(ScriptBody::new(pieces().cut("client left")), 100);
    let error = first.collect().await.unwrap_err();
    assert_eq!(error.to_string(), "cut by the script: client left");
    assert!(!kept.is_whole() && kept.again().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_later_attempt_is_woken_when_data_come() {
    let body = ScriptStream::new().piece("one".into());
    let body = body
        .pause(std::time::Duration::from_secs(1))
        .piece("two".into());
    let (mut first, kept) = pair(ScriptBody::new(body), 100);
    assert_eq!(frame(&mut first).await.unwrap(), "one");
    assert!(first.frame().now_or_never().is_none());
    let second = tokio::spawn(kept.again().unwrap().collect());
    assert_eq!(second.await.unwrap().unwrap().to_bytes(), "onetwo");
}

#[tokio::test(start_paused = true)]
async fn requests_keep_their_parts() {
    let mut request = Request::post("/chat")
        .header("x", "y")
        .body(ScriptBody::new(pieces()))
        .unwrap();
    request.extensions_mut().insert(7_u8);
    let replay = ReplayBodies::new(100);
    let (first, mut kept) = replay.keep(request);
    drop(first);
    assert!(Replay::<Request<ScriptBody>>::is_whole(&replay, &kept));
    let again: Request<ReplayBody<ScriptBody>> = replay.again(&mut kept).unwrap();
    assert_eq!(
        (again.method().as_str(), again.uri().path()),
        ("POST", "/chat")
    );
    assert_eq!(again.headers()["x"], "y");
    assert_eq!(again.extensions().get(), Some(&7_u8));
    assert_eq!(
        again.into_body().collect().await.unwrap().to_bytes(),
        "one two"
    );
}

#[tokio::test(start_paused = true)]
async fn bodies_of_clonable_kinds_need_no_record() {
    let (first, mut kept) = Cloned.keep(Full::new(Bytes::from("hello")));
    drop(first);
    assert_eq!(
        Cloned
            .again(&mut kept)
            .unwrap()
            .collect()
            .await
            .unwrap()
            .to_bytes(),
        "hello"
    );
    let (first, kept) = ReplayBody::pair(Empty::<Bytes>::new(), 0);
    assert!(first.is_end_stream() && kept.again().unwrap().is_end_stream());
    assert_eq!(first.size_hint().exact(), Some(0));
}

/// As a hedge and the call that it is for.
#[tokio::test(start_paused = true)]
async fn attempts_send_a_body_that_is_on_record_at_once() {
    let replay = ReplayBodies::new(100);
    let (first, mut kept) = replay.keep(Request::new(ScriptBody::new(pieces())));
    let sent =
        |kept: &KeptRequest<ScriptBody>| Replay::<Request<ScriptBody>>::is_sent(&replay, kept);
    let mut first = first.into_body();
    assert_eq!(frame(&mut first).await.unwrap(), "one ");
    assert!(!sent(&kept), "the rest is in nobody's hands yet");
    let mut second = replay.again(&mut kept).unwrap().into_body();
    while frame(&mut second).await.is_some() {}
    assert!(sent(&kept));
    assert_eq!(frame(&mut first).await.unwrap(), "two");
    assert!(first.is_end_stream() && frame(&mut first).await.is_none());
}

/// Else it would keep the connection it is sent through, whose other end waits for it too.
#[tokio::test(start_paused = true)]
async fn an_earlier_attempt_that_waits_for_data_is_woken_to_be_stopped() {
    let (mut first, kept) = pair(ScriptBody::new(ScriptStream::new().stall()), 100);
    let first = tokio::spawn(async move { first.frame().await });
    tokio::task::yield_now().await;
    let second = kept.again().unwrap();
    let end = tokio::time::timeout(std::time::Duration::from_secs(1), first).await;
    assert!(end.unwrap().unwrap().unwrap().is_err());
    drop(second);
}
