use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use campanile::{
    Rejection,
    rejection::{Lack, RejectionKind, Shortage},
};
use futures_util::{FutureExt, Stream, stream};
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::{
    chat::{ChatEvent, Part},
    error::Class,
    testing::{Seen, Source, event, whole},
};

const SECOND: Duration = Duration::from_secs(1);

async fn frames<S>(mut body: Body<S>) -> Vec<Bytes>
where
    S: Stream<Item = Result<ChatEvent, Error>> + Unpin,
{
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        frames.push(frame.unwrap().into_data().unwrap());
    }
    assert!(body.is_end_stream());
    frames
}

fn streamed(source: Source) -> Body<Source> {
    source.answer().into_http(Dialect::OpenAi).into_body()
}

#[tokio::test]
async fn a_whole_answer_has_a_length() {
    let response = whole("{\"a\": 1}", None).into_http(Dialect::OpenAi);
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["content-length"], "8");
    assert_eq!(response.body().size_hint().exact(), Some(8));
    assert_eq!(frames(response.into_body()).await, ["{\"a\": 1}"]);
}

#[tokio::test]
async fn a_streamed_answer_is_passed_on_as_it_is() {
    let seen = Seen::default();
    let source = Source::new().comment().role().word("1").done().word("2");
    let response = source.seen_by(&seen).answer().into_http(Dialect::OpenAi);
    let headers = response.headers();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-cache");
    assert_eq!(headers["x-accel-buffering"], "no");
    let frames = frames(response.into_body()).await;
    assert_eq!(
        frames,
        [
            ": wait\n\n",
            "data: {\"role\":\"assistant\"}\n\n",
            "data: 1\n\n",
            "data: [DONE]\n\n"
        ]
    );
    assert_eq!((seen.pulled(), seen.dropped()), (4, 1), "nothing follows");
}

#[tokio::test]
async fn frames_are_handles_to_the_same_bytes() {
    let event = event("1", Part::Content);
    let place = event.frame().as_ptr();
    let mut body = streamed(Source::new().event(event).done());
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(frame.as_ptr(), place);
}

#[tokio::test]
async fn a_stream_that_fails_says_so_and_does_not_prove_its_end() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
        for source in [
            Source::new().word("1").fail(Class::Server).done(),
            Source::new().word("1"),
        ] {
            let seen = Seen::default();
            let body = source
                .seen_by(&seen)
                .answer()
                .into_http(dialect)
                .into_body();
            let frames = frames(body).await;
            assert_eq!(frames.len(), 2, "the word and the error");
            let last = std::str::from_utf8(&frames[1]).unwrap();
            assert!(last.ends_with("\n\n"), "{last}");
            let data = last.lines().find_map(|line| line.strip_prefix("data: "));
            let data: serde_json::Value = serde_json::from_str(data.unwrap()).unwrap();
            assert!(data["error"]["message"].is_string(), "{last}");
            assert_eq!(last.contains("event: error"), dialect == Dialect::Anthropic);
            assert!(!last.contains("[DONE]") && !last.contains("message_stop"));
            assert_eq!(seen.dropped(), 1);
        }
    }
}

#[test]
fn an_event_is_pulled_when_a_frame_is_asked_for() {
    let seen = Seen::default();
    let source = (0..100).fold(Source::new(), |source, _| source.word("1"));
    let mut body = streamed(source.seen_by(&seen));
    assert_eq!(seen.pulled(), 0);
    for asked in 1..50 {
        assert!(body.frame().now_or_never().is_some());
        assert_eq!(seen.pulled(), asked);
    }
    drop(body);
    assert_eq!((seen.pulled(), seen.dropped()), (49, 1), "and not drained");
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_fills_silence() {
    let source = Source::new()
        .word("1")
        .pause(SECOND * 25)
        .word("2")
        .pause(SECOND * 9)
        .word("3")
        .pause(SECOND * 9)
        .done();
    let body = streamed(source.clone()).heartbeat(SECOND * 10);
    let beat = ": keep-alive\n\n";
    assert_eq!(
        frames(body).await,
        [
            "data: 1\n\n",
            beat,
            beat,
            "data: 2\n\n",
            "data: 3\n\n",
            "data: [DONE]\n\n"
        ]
    );
    assert_eq!(
        frames(streamed(source.clone())).await.len(),
        4,
        "off by default"
    );
    for never in [Duration::ZERO, Duration::MAX] {
        let body = streamed(source.clone()).heartbeat(never);
        assert_eq!(frames(body).await.len(), 4);
    }
}

#[tokio::test]
async fn a_heartbeat_arms_no_timer_for_what_is_there() {
    let mut body = streamed(Source::new().word("1").done()).heartbeat(SECOND);
    while body.frame().await.is_some() {}
    assert!(!body.timer_is_armed());
    let mut body = streamed(Source::new().stall()).heartbeat(SECOND);
    assert!(body.frame().now_or_never().is_none());
    assert!(body.timer_is_armed());
}

/// An error, and what its answer says.
fn refused(error: impl Into<Error>) -> Response<Body<Source>> {
    error.into().into_http(Dialect::OpenAi)
}

#[tokio::test]
async fn errors_say_whether_and_when_to_come_back() {
    let refusal = |kind| Rejection::new(kind, "test");
    let soon = Duration::from_millis(1_001);
    let late = Duration::from_secs(61);
    for (error, status, after, again) in [
        (
            refusal(RejectionKind::RateLimited)
                .with_retry_after(soon)
                .into(),
            429,
            Some(("2", "1001")),
            "true",
        ),
        (
            refusal(RejectionKind::BudgetExhausted)
                .with_retry_after(soon)
                .into(),
            429,
            Some(("2", "1001")),
            "false",
        ),
        (
            refusal(RejectionKind::BudgetExhausted)
                .with_shortage(Shortage::new("tokens_per_day", Lack::Reserved))
                .with_retry_after(soon)
                .into(),
            429,
            Some(("2", "1001")),
            "true",
        ),
        (
            Error::from(refusal(RejectionKind::ConcurrencyLimited)).limit_of("key"),
            429,
            Some(("1", "1000")),
            "true",
        ),
        (
            Error::from(refusal(RejectionKind::ConcurrencyLimited)).limit_of_endpoints(),
            503,
            None,
            "false",
        ),
        (
            Error::from(refusal(RejectionKind::RateLimited).with_retry_after(soon))
                .limit_of_endpoints(),
            429,
            Some(("2", "1001")),
            "false",
        ),
        (
            refusal(RejectionKind::Shed).with_retry_after(soon).into(),
            503,
            Some(("2", "1001")),
            "true",
        ),
        (
            refusal(RejectionKind::RateLimited)
                .with_retry_after(late)
                .into(),
            429,
            Some(("61", "61000")),
            "false",
        ),
        (
            refusal(RejectionKind::RateLimited).into(),
            429,
            None,
            "false",
        ),
        (
            refusal(RejectionKind::Unavailable)
                .with_retry_after(soon)
                .into(),
            503,
            Some(("2", "1001")),
            "false",
        ),
        (refusal(RejectionKind::TimedOut).into(), 504, None, "false"),
        (
            Error::new(Class::Rate, "rate").with_retry_after(soon),
            429,
            Some(("2", "1001")),
            "false",
        ),
        (
            Error::new(Class::Overload, "busy").with_retry_after(Duration::from_nanos(1)),
            503,
            Some(("1", "1")),
            "false",
        ),
        (
            Error::new(Class::Request, "no").with_status(422),
            422,
            None,
            "false",
        ),
        (Error::new(Class::Interrupted, "cut"), 502, None, "false"),
        (
            Error::new(Class::Server, "ever").with_retry_after(Duration::MAX),
            502,
            Some(("18446744073709551615", "18446744073709551615")),
            "false",
        ),
    ] {
        let said = format!("{error:?}");
        let response = refused(error);
        assert_eq!(response.status(), status, "{said}");
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap())
        };
        assert_eq!(
            header("retry-after").zip(header("retry-after-ms")),
            after,
            "{said}"
        );
        assert_eq!(header("x-should-retry"), Some(again), "{said}");
        assert_eq!(header("content-type"), Some("application/json"));
        let length = header("content-length").map(ToOwned::to_owned);
        let body = frames(response.into_body()).await.concat();
        assert_eq!(length, Some(body.len().to_string()));
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(body["error"]["message"].is_string(), "{body}");
    }
}

/// Every class that an upstream's error can have: the stack has tried it again, so the caller is not to.
#[test]
fn no_error_of_an_upstream_is_for_the_caller_to_try_again() {
    for class in Class::ALL {
        let error = Error::new(class, "").with_retry_after(SECOND);
        assert!(!error.should_retry(), "{class:?}");
    }
}

/// A real server over a pipe of so many bytes, which answers every request so; the caller's end of it, after a request.
async fn served<S>(pipe: usize, body: impl Fn() -> Body<S> + Send + 'static) -> DuplexStream
where
    S: Stream<Item = Result<ChatEvent, Error>> + Send + 'static,
{
    let (mut caller, server) = tokio::io::duplex(pipe);
    let answer = service_fn(move |_: Request<Incoming>| {
        let response = Response::new(body());
        async { Ok::<_, Infallible>(response) }
    });
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(server), answer));
    caller
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    caller
}

/// How much a stream without an end was asked for.
#[derive(Clone, Default)]
struct Endless {
    bytes: Arc<AtomicUsize>,
    alive: Arc<()>,
}

impl Endless {
    /// Events of 1 KiB, as fast as they are asked for.
    fn stream(&self) -> impl Stream<Item = Result<ChatEvent, Error>> + Send + use<> {
        stream::unfold(self.clone(), |asked| async {
            let event = event(&"x".repeat(1_016), Part::Content);
            asked
                .bytes
                .fetch_add(event.frame().len(), Ordering::Relaxed);
            Some((Ok(event), asked))
        })
    }

    fn pulled(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Streams that are not dropped.
    fn streams(&self) -> usize {
        Arc::strong_count(&self.alive) - 1
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stops_reading_stops_the_upstream() {
    const PIPE: usize = 8 * 1_024;
    let upstream = Endless::default();
    let watched = upstream.clone();
    let mut caller = served(PIPE, move || {
        Body::stream(Box::pin(watched.stream()), Dialect::OpenAi)
    })
    .await;
    tokio::time::sleep(SECOND * 60).await;
    let pulled = upstream.pulled();
    assert!(pulled > PIPE, "it was read on until the pipe was full");
    assert!(pulled - PIPE <= 32 * 1_024, "{pulled} bytes are held");
    tokio::time::sleep(SECOND * 60).await;
    assert_eq!(upstream.pulled(), pulled, "and no further");

    // It reads on: so does the server.
    let mut read = vec![0; 4 * PIPE];
    caller.read_exact(&mut read).await.unwrap();
    tokio::time::sleep(SECOND).await;
    let more = upstream.pulled() - pulled;
    assert!((3 * PIPE..=6 * PIPE).contains(&more), "{more} bytes more");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_cancels_the_upstream() {
    // While the server writes.
    let upstream = Endless::default();
    let watched = upstream.clone();
    let caller = served(1_024, move || {
        Body::stream(Box::pin(watched.stream()), Dialect::OpenAi)
    })
    .await;
    tokio::time::sleep(SECOND).await;
    let pulled = upstream.pulled();
    drop(caller);
    tokio::time::sleep(SECOND).await;
    // One is held by what makes the answers.
    assert!(upstream.streams() <= 1, "the stream is dropped");
    assert_eq!(upstream.pulled(), pulled, "and not drained");

    // While the server waits for the upstream.
    let seen = Seen::default();
    let source = Source::new().word("1").stall().seen_by(&seen);
    let template = source.clone();
    let caller = served(1_024, move || streamed(template.clone())).await;
    drop(source);
    tokio::time::sleep(SECOND).await;
    let before = seen.dropped();
    drop(caller);
    tokio::time::sleep(SECOND).await;
    assert!(seen.dropped() > before, "the stream is dropped");
    assert_eq!(seen.pulled(), 1);
}

#[test]
fn a_budget_that_is_used_up_is_no_short_limit_in_openais_dialect() {
    let refusal = || Rejection::new(RejectionKind::BudgetExhausted, "spend_limit");
    let reserved = refusal().with_shortage(Shortage::new("tokens_per_day", Lack::Reserved));
    for (rejection, kind, code) in [
        (refusal(), "insufficient_quota", "insufficient_quota"),
        (reserved, "rate_limit_error", "rate_limit_exceeded"),
    ] {
        let body = Dialect::OpenAi.error_body(&Error::from(rejection));
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&body["error"]["type"], &body["error"]["code"]),
            (&kind.into(), &code.into())
        );
        let body = Dialect::Anthropic.error_body(&Error::from(rejection));
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["type"], "rate_limit_error");
    }
}

#[test]
fn who_is_overloaded_says_it_as_the_dialect_does() {
    for (dialect, status) in [(Dialect::OpenAi, 503), (Dialect::Anthropic, 529)] {
        let error = Error::new(Class::Overload, "busy").with_status(503);
        assert_eq!(error.answer_status_in(dialect), status);
        let response: Response<Body<Source>> = error.into_http(dialect);
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn a_stream_that_fails_tells_what_and_the_callers_name_of_it() {
    let source = Source::new().word("1").fail(Class::Overload);
    let mut body = source
        .answer()
        .into_http(Dialect::Anthropic)
        .into_body()
        .request_id("mine".into());
    let _ = body.frame().await;
    assert_eq!(body.failed(), None);
    let last = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(last.ends_with(b"\"request_id\":\"mine\"}\n\n"), "{last:?}");
    assert_eq!(body.failed(), Some(Class::Overload));
}
