use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};

use super::*;
use crate::testing::ScriptBody;

type Answer = Response<ScriptBody>;

fn respond(status: u16, headers: &[(&'static str, &'static str)]) -> Step<Answer> {
    let mut response = Response::new(ScriptBody::full("body"));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    Step::answer(response)
}

async fn call(script: &Script<Answer>) -> (StatusCode, Duration) {
    let service = RetryLayer::new(plain())
        .unwrap()
        .http()
        .layer(script.service());
    let request = Request::new(Full::new(Bytes::from("hello")));
    let (answer, took) = timed(service.oneshot(request)).await;
    let answer = answer.unwrap();
    let status = answer.status();
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "body"
    );
    (status, took)
}

#[tokio::test(start_paused = true)]
async fn answers_are_judged_by_their_status() {
    for (status, calls) in [
        (500, 2),
        (502, 2),
        (408, 2),
        (503, 2),
        (429, 2),
        (400, 1),
        (409, 1),
        (200, 1),
    ] {
        let script = Script::new(respond(200, &[])).then(respond(status, &[]));
        let (answer, _) = call(&script).await;
        assert_eq!(script.counts().calls, calls, "{status}");
        assert_eq!(answer == 200, calls == 2 || status == 200);
    }
}

#[tokio::test(start_paused = true)]
async fn the_header_x_should_retry_wins() {
    let script = Script::new(respond(200, &[])).then(respond(500, &[("x-should-retry", "false")]));
    assert_eq!(
        call(&script).await,
        (StatusCode::INTERNAL_SERVER_ERROR, Duration::ZERO)
    );
    let script = Script::new(respond(200, &[])).then(respond(409, &[("x-should-retry", "true")]));
    assert_eq!(call(&script).await, (StatusCode::OK, 100 * MS));
}

#[tokio::test(start_paused = true)]
async fn the_header_retry_after_is_waited_for() {
    let script = Script::new(respond(200, &[])).then(respond(429, &[("retry-after-ms", "1500")]));
    let (status, took) = call(&script).await;
    assert_eq!(status, 200);
    assert!((1_500 * MS..1_651 * MS).contains(&took), "{took:?}");
    let script = Script::new(respond(200, &[])).then(respond(503, &[("retry-after", "3600")]));
    assert_eq!(
        call(&script).await,
        (StatusCode::SERVICE_UNAVAILABLE, Duration::ZERO)
    );
}

#[tokio::test(start_paused = true)]
async fn the_context_of_a_request_is_kept_and_counts_attempts() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    for (keep, trails) in [
        (KeepTrail::Always, [true, true, true]),
        (KeepTrail::WithContext, [false, true, true]),
        (KeepTrail::Never, [false, false, false]),
    ] {
        let notes = Arc::clone(&seen);
        let inner = tower::service_fn(move |request: Request<Empty<Bytes>>| {
            let context = Context::of(&request).cloned().unwrap_or_default();
            notes
                .lock()
                .unwrap()
                .push((context.attempt, context.trail.is_some()));
            async { Err::<Answer, BoxError>("down".into()) }
        });
        let service = RetryLayer::new(plain().with_trail(keep))
            .unwrap()
            .http()
            .layer(inner);
        assert!(service.oneshot(Request::new(Empty::new())).await.is_err());
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert_eq!(
            seen,
            [(0, trails[0]), (1, trails[1]), (2, trails[2])],
            "{keep:?}"
        );
    }
}

/// A service that reads the whole body, and fails as often as it is told; notes what it read.
#[derive(Clone, Default)]
struct Reader {
    failures: Arc<std::sync::atomic::AtomicU32>,
    read: Arc<std::sync::Mutex<Vec<Bytes>>>,
}

impl<B> Service<Request<B>> for Reader
where
    B: http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    type Response = Answer;
    type Error = BoxError;
    type Future = futures_util::future::BoxFuture<'static, Result<Answer, BoxError>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), BoxError>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let body = request.into_body().collect().await?.to_bytes();
            this.read.lock().unwrap().push(body);
            let failed = this.failures.fetch_update(
                std::sync::atomic::Ordering::SeqCst,
                std::sync::atomic::Ordering::SeqCst,
                |n| n.checked_sub(1),
            );
            match failed {
                Ok(_) => Err("down".into()),
                Err(_) => Ok(Response::new(ScriptBody::empty())),
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_cloned_is_sent_again_from_its_record() {
    let reader = Reader::default();
    reader
        .failures
        .store(2, std::sync::atomic::Ordering::SeqCst);
    let service = RetryLayer::new(plain())
        .unwrap()
        .http()
        .replay_bodies(100)
        .layer(reader.clone());
    let body =
        crate::testing::ScriptStream::from_iter(["one ".into(), "two ".into(), "three".into()]);
    service
        .oneshot(Request::new(ScriptBody::new(body)))
        .await
        .unwrap();
    assert_eq!(*reader.read.lock().unwrap(), ["one two three"; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_body_beyond_the_cap_is_sent_once() {
    let pieces = || crate::testing::ScriptStream::from_iter(["12345".into(), "67890".into()]);
    // Known in advance, and found out.
    for body in [
        ScriptBody::new(pieces()).length(10),
        ScriptBody::new(pieces()),
    ] {
        let reader = Reader::default();
        reader
            .failures
            .store(1, std::sync::atomic::Ordering::SeqCst);
        let service = RetryLayer::new(plain())
            .unwrap()
            .http()
            .replay_bodies(9)
            .layer(reader.clone());
        assert!(service.oneshot(Request::new(body)).await.is_err());
        assert_eq!(*reader.read.lock().unwrap(), ["1234567890"]);
    }
}
