//! HTTP: headers, bodies, and what stays secret.

use ::http::{HeaderName, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};

use super::*;
use crate::testing::{ScriptBody, ScriptStream};

fn request(headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method("POST")
        .uri("https://me:pa55@api.example/v1/chat?key=s3cret-query")
        .header("authorization", "Bearer s3cret-header");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::from("s3cret-body")).unwrap()
}

/// A service that echoes the id of its context and that of its header.
async fn echo(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, BoxError> {
    let of_context = Context::of(&request).and_then(|context| context.id.clone());
    let of_header = request
        .headers()
        .get("x-request-id")
        .map(|id| id.to_str().unwrap());
    let text = format!(
        "{} {}",
        of_context.as_deref().unwrap_or("-"),
        of_header.unwrap_or("-")
    );
    Ok(Response::new(Full::from(text)))
}

async fn echoed(ids: HttpIds, headers: &[(&str, &str)]) -> String {
    let service = TraceLayer::stage("chat")
        .http()
        .ids(ids)
        .layer(tower::service_fn(echo));
    let response = service.oneshot(request(headers)).await.unwrap();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(text.to_vec()).unwrap()
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OF_PARENT: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test(start_paused = true)]
async fn the_id_is_that_of_the_header_or_of_the_trace_or_a_new_one() {
    let (_capture, _guard) = Capture::all();
    let ids = HttpIds::default;
    assert_eq!(echoed(ids(), &[("x-request-id", "abc")]).await, "abc abc");
    assert_eq!(
        echoed(ids(), &[("x-request-id", "abc"), ("traceparent", PARENT)]).await,
        "abc abc"
    );
    assert_eq!(
        echoed(ids(), &[("traceparent", PARENT)]).await,
        format!("{OF_PARENT} -")
    );
    let own = ids().header(HeaderName::from_static("x-correlation-id"));
    assert_eq!(echoed(own, &[("x-correlation-id", "abc")]).await, "abc -");
    let fresh = echoed(ids().traceparent(false), &[("traceparent", PARENT)]).await;
    assert!(fresh.len() == 34 && !fresh.contains(OF_PARENT), "{fresh}");
    let long = "x".repeat(129);
    for bad in ["", "two words", long.as_str(), "tab\there"] {
        let other = echoed(ids(), &[("x-request-id", bad)]).await;
        let (of_context, of_header) = other.split_once(' ').unwrap();
        assert!(is_id(of_context) && of_context != bad, "{other}");
        assert_eq!(of_header, bad, "the header is the caller's");
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_is_passed_on_whether_a_span_is_on_or_not() {
    let ids = || HttpIds::default().propagate();
    for level in [LevelFilter::OFF, LevelFilter::TRACE] {
        let (_capture, _guard) = Capture::of(level, "campanile::");
        assert_eq!(
            echoed(ids(), &[("traceparent", PARENT)]).await,
            format!("{OF_PARENT} {OF_PARENT}")
        );
        let other = echoed(ids(), &[("x-request-id", "not good")]).await;
        let (of_context, of_header) = other.split_once(' ').unwrap();
        assert_eq!(of_context, of_header, "a bad one is replaced");
        assert!(is_id(of_header));
    }
}

#[tokio::test(start_paused = true)]
async fn where_nobody_listens_a_request_stays_as_it_was() {
    let (_capture, _guard) = Capture::of(LevelFilter::OFF, "");
    assert_eq!(echoed(HttpIds::default(), &[]).await, "- -");
}

#[tokio::test(start_paused = true)]
async fn a_status_is_told_and_the_span_lives_to_the_end_of_the_body() {
    let (capture, _guard) = Capture::all();
    let stream = ScriptStream::new()
        .pause(10 * MS)
        .piece("sorry ".into())
        .pause(10 * MS)
        .piece("about that".into());
    let step = Step::respond(StatusCode::BAD_GATEWAY, ScriptBody::new(stream));
    let script = Script::<Response<ScriptBody>>::new(step);
    let service = TraceLayer::stage("chat").http().layer(script.service());
    let response = service.clone().oneshot(request(&[])).await.unwrap();
    assert!(capture.lines().is_empty(), "not over yet");
    response.into_body().collect().await.unwrap();
    for told in [capture.span("call"), capture.line()] {
        assert_eq!(
            (told.get("outcome"), told.get("failure")),
            ("failure", "server")
        );
        assert_eq!((told.get("status"), told.get("error")), ("502", ""));
        assert_eq!((told.get("head_s"), told.get("elapsed_s")), ("0.0", "0.02"));
    }
    // One whose body nobody reads failed all the same.
    drop(service.oneshot(request(&[])).await.unwrap());
    assert_eq!(capture.lines().len(), 2);
    assert_eq!(capture.lines()[1].get("status"), "502");
    assert!(capture.is_over());
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_in_a_span_or_a_line() {
    let (capture, _guard) = Capture::all();
    let leaky = tower::service_fn(|request: Request<Full<Bytes>>| async move {
        // As HTTP clients do.
        Err::<Response<Full<Bytes>>, _>(BoxError::from(format!("no answer from {}", request.uri())))
    });
    let script = Script::<Response<ScriptBody>>::new(Step::respond(
        StatusCode::INTERNAL_SERVER_ERROR,
        ScriptBody::full("s3cret-answer"),
    ));
    macro_rules! run {
        ($inner:expr) => {{
            let service = ServiceBuilder::new()
                .layer(TraceLayer::stage("chat").http())
                .layer(TraceLayer::attempt().http())
                .layer(TraceLayer::endpoint(&Endpoint::new("a")).http())
                .service($inner);
            if let Ok(response) = service.oneshot(request(&[])).await {
                response.into_body().collect().await.unwrap();
            }
        }};
    }
    run!(leaky);
    run!(script.service());
    assert_eq!(capture.lines().len(), 2);
    let text = capture.text();
    assert!(
        text.contains("no answer from https://api.example/v1/chat?…"),
        "{text}"
    );
    for secret in ["s3cret", "pa55", "Bearer", "authorization"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
