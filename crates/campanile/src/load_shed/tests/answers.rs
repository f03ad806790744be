//! Refusals as HTTP responses.

use http::{Request, Response, StatusCode};

use super::*;

/// A service that fails with this error.
fn failing<E, F>(
    error: F,
) -> impl Service<Request<()>, Response = Response<String>, Error = E, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static
where
    E: Send + 'static,
    F: Fn() -> E + Clone + Send + Sync + 'static,
{
    tower::service_fn(move |_: Request<()>| std::future::ready(Err::<Response<String>, E>(error())))
}

fn refusal(kind: RejectionKind) -> Rejection {
    Rejection::new(kind, "test").with_retry_after(Duration::from_millis(2_100))
}

#[tokio::test]
async fn rejections_become_responses() {
    for (kind, status) in [
        (RejectionKind::Shed, StatusCode::SERVICE_UNAVAILABLE),
        (RejectionKind::CircuitOpen, StatusCode::SERVICE_UNAVAILABLE),
        (RejectionKind::RateLimited, StatusCode::TOO_MANY_REQUESTS),
        (
            RejectionKind::BudgetExhausted,
            StatusCode::TOO_MANY_REQUESTS,
        ),
        (RejectionKind::TimedOut, StatusCode::GATEWAY_TIMEOUT),
    ] {
        let service = RejectionLayer::new().layer(failing(move || BoxError::from(refusal(kind))));
        let response = service.oneshot(Request::new(())).await.unwrap();
        assert_eq!(response.status(), status, "{kind:?}");
        assert_eq!(response.headers()["retry-after"], "3");
        assert!(response.body().starts_with("test: "));
    }
}

#[tokio::test]
async fn rejections_are_found_where_they_are() {
    let shed = || refusal(RejectionKind::Shed);
    let plain = RejectionLayer::new().layer(failing(shed));
    assert_eq!(plain.oneshot(Request::new(())).await.unwrap().status(), 503);
    let within = RejectionLayer::new().layer(failing(move || std::io::Error::other(shed())));
    assert_eq!(
        within.oneshot(Request::new(())).await.unwrap().status(),
        503
    );
}

#[tokio::test]
async fn other_errors_are_passed_on_or_answered() {
    let secret = || BoxError::from("the password is 1234");
    let service = RejectionLayer::new().layer(failing(secret));
    let error = service.oneshot(Request::new(())).await.unwrap_err();
    assert_eq!(error.to_string(), secret().to_string());

    let service = RejectionLayer::infallible(StatusCode::BAD_GATEWAY).layer(failing(secret));
    let Ok(response) = service.oneshot(Request::new(())).await;
    assert_eq!(response.status(), 502);
    assert_eq!(response.body(), "Bad Gateway");

    let own = RejectionLayer::infallible(StatusCode::BAD_GATEWAY).layer(failing(|| 7_u32));
    let Ok(response) = own.oneshot(Request::new(())).await;
    assert_eq!(response.status(), 502);
}

#[tokio::test]
async fn responses_are_left_alone() {
    let script = Script::<Response<String>>::new(Step::answer(Response::new("fine".to_owned())));
    let service = RejectionLayer::new().layer(ReadinessProbe::new(script.service()));
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.body(), "fine");
}

#[tokio::test]
async fn a_dead_service_is_answered_for_too() {
    let script = Script::<Response<String>>::new(Step::answer(Response::new("fine".to_owned())));
    script.set_readiness(Readiness::error("dead"));
    let probe = ReadinessProbe::new(script.service());
    let mut service = RejectionLayer::new().layer(probe.clone());
    let error = ServiceExt::<Request<()>>::ready(&mut service)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "dead");

    let mut service = RejectionLayer::infallible(StatusCode::BAD_GATEWAY).layer(probe);
    for _ in 0..2 {
        let Ok(service) = ServiceExt::<Request<()>>::ready(&mut service).await;
        let Ok(response) = service.call(Request::new(())).await;
        assert_eq!(response.status(), 502);
    }
    assert_eq!(script.counts().calls, 0);
}

#[tokio::test]
async fn it_can_be_spawned_over_a_boxed_error() {
    let service =
        RejectionLayer::new().layer(layer().layer(tower::service_fn(async |_: Request<()>| {
            Ok::<_, BoxError>(Response::new("fine".to_owned()))
        })));
    let spawned = tokio::spawn(async move { service.oneshot(Request::new(())).await });
    assert_eq!(spawned.await.unwrap().unwrap().body(), "fine");

    let service = RejectionLayer::infallible(StatusCode::BAD_GATEWAY)
        .layer(failing(|| BoxError::from(refusal(RejectionKind::Shed))));
    fn check<T: Send + Sync + Clone + 'static>(_: &T) {}
    check(&service);
    let spawned = tokio::spawn(async move { service.oneshot(Request::new(())).await });
    let Ok(response) = spawned.await.unwrap();
    assert_eq!(response.status(), 503);
}
