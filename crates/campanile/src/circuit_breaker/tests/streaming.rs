//! Over a body: everything lasts to its end, whatever the end is.

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;

use super::*;
use crate::testing::{ScriptBody, ScriptStream, seeded};

type Upstream = Script<Response<ScriptBody>>;

fn upstream(body: ScriptBody) -> Upstream {
    Script::new(Step::respond(StatusCode::OK, body))
}

fn pieces() -> ScriptStream<bytes::Bytes> {
    ScriptStream::new()
        .piece("one".into())
        .pause(10 * MS)
        .piece("two".into())
}

fn layer(config: CircuitBreakerConfig) -> CircuitBreakerLayer<crate::protocol::Http> {
    CircuitBreakerLayer::new(config).unwrap().http()
}

fn request() -> Request<()> {
    Request::new(())
}

/// Another breaker settles at headers: over a service whose every stream breaks off it sees successes only.
#[tokio::test(start_paused = true)]
async fn streams_that_break_off_trip_it() {
    let script = upstream(ScriptBody::new(pieces().cut("connection reset")));
    let service = layer(config()).layer(script.service());
    for i in 0..5 {
        assert_eq!(service.handle().state(), BreakerState::Closed, "{i}");
        let response = service.clone().oneshot(request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.into_body().collect().await.is_err());
    }
    assert_eq!(service.handle().state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_place_in_half_open_is_kept_to_the_end_of_the_body() {
    let script = upstream(ScriptBody::new(pieces()));
    let service = layer(config()).layer(script.service());
    let handle = service.handle();
    handle.breaker.change(Timestamp::now(), |machine| {
        machine.force_open(Timestamp::now());
        machine.reset(Timestamp::now());
    });
    script.set(Step::error("out of order"));
    for _ in 0..5 {
        service.clone().oneshot(request()).await.unwrap_err();
    }
    script.set(Step::respond(StatusCode::OK, ScriptBody::new(pieces())));
    tokio::time::advance(30 * SEC).await;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let response = service.clone().oneshot(request()).await.unwrap();
        bodies.push(response.into_body());
    }
    assert_eq!(handle.snapshot().probes, 3);
    assert!(service.clone().oneshot(request()).await.is_err());
    // Mid-body.
    let mut dropped = bodies.pop().unwrap();
    assert!(dropped.frame().await.unwrap().is_ok());
    drop(dropped);
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.probes, snapshot.probes_succeeded), (2, 0));
    bodies.push(
        service
            .clone()
            .oneshot(request())
            .await
            .unwrap()
            .into_body(),
    );
    for body in bodies {
        body.collect().await.unwrap();
    }
    assert_eq!(handle.state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn statuses_count_as_they_are_classified() {
    let script = upstream(ScriptBody::empty());
    let service = layer(config()).layer(script.service());
    let call = async |status, times| {
        for _ in 0..times {
            script.set(Step::respond(status, ScriptBody::empty()));
            let answer = service.clone().oneshot(request()).await.unwrap();
            assert_eq!(answer.status(), status);
        }
        service.handle().snapshot().failures_in_a_row
    };
    assert_eq!(call(StatusCode::INTERNAL_SERVER_ERROR, 3).await, 3.0);
    assert_eq!(call(StatusCode::NOT_FOUND, 9).await, 3.0);
    assert_eq!(call(StatusCode::TOO_MANY_REQUESTS, 9).await, 3.0);
    assert_eq!(call(StatusCode::SERVICE_UNAVAILABLE, 1).await, 3.5);
    assert_eq!(call(StatusCode::OK, 1).await, 0.0);
}

#[tokio::test(start_paused = true)]
async fn the_upstreams_retry_after_parks_the_service() {
    let mut busy = Response::new(ScriptBody::empty());
    *busy.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    busy.headers_mut()
        .insert(http::header::RETRY_AFTER, 17.into());
    let script: Upstream = Script::new(Step::answer(busy));
    let service = layer(config()).layer(script.service());
    service.clone().oneshot(request()).await.unwrap();
    let refused = rejection(&service.clone().oneshot(request()).await.unwrap_err());
    assert_eq!(refused.kind(), RejectionKind::RateLimited);
    assert_eq!(refused.retry_after(), Some(17 * SEC));
    assert_eq!(refused.status(), 429);
    assert_eq!(script.counts().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn random_endings_of_bodies_leave_every_count_at_its_start() {
    let script = upstream(ScriptBody::empty());
    let rates = config()
        .with_failure_rate(Some(0.6))
        .with_slow_call(Some(15 * MS))
        .with_slow_rate(Some(0.9))
        .with_open_for(20 * MS)
        .with_open_max(20 * MS);
    let service = layer(rates).layer(script.service());
    let mut rng = seeded(3);
    let (mut open, mut most) = (Vec::new(), 0);
    for _ in 0..8_000 {
        let body = match rng.u32(..5) {
            0 => ScriptBody::empty(),
            1 => ScriptBody::full("all"),
            2 => ScriptBody::new(pieces().cut("connection reset")),
            _ => ScriptBody::new(pieces()),
        };
        let status = [StatusCode::OK, StatusCode::OK, StatusCode::BAD_GATEWAY][rng.usize(..3)];
        script.set(Step::respond(status, body));
        if let Ok(response) = service.clone().oneshot(request()).await {
            open.push(response.into_body());
        }
        let snapshot = service.handle().snapshot();
        assert!(snapshot.probes <= 3);
        most = most.max(snapshot.probes);
        if !open.is_empty() && (open.len() > 6 || rng.bool()) {
            let mut body = open.swap_remove(rng.usize(..open.len()));
            match rng.u32(..3) {
                0 => drop(body.collect().await),
                1 => drop(body.frame().await),
                _ => drop(body),
            }
        } else {
            tokio::time::advance(rng.u32(..4) * MS).await;
        }
    }
    drop(open);
    assert_eq!(most, 3);
    assert_eq!(service.handle().snapshot().probes, 0);
}
