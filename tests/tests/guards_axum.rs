//! Guards as what they are to a client: status and `Retry-After` through axum, over real sockets.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    error_handling::HandleErrorLayer,
};
use campanile::{
    BoxError, Rejection,
    context::Priority,
    fallback::FallbackLayer,
    load_shed::{LoadShedConfig, LoadShedLayer, RejectionLayer},
    rejection::RejectionKind,
    timeout::{TimeoutConfig, TimeoutLayer},
};
use campanile_examples::http::{client, serve};
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::{sync::Semaphore, task::JoinHandle};
use tower::{ServiceBuilder, service_fn};

/// How long anything may take.
const BOUND: Duration = Duration::from_secs(30);

/// A server on loopback.
struct Site {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Site {
    async fn start(app: Router) -> Self {
        let (address, server) = serve(app, 0).await.unwrap();
        Self { address, server }
    }

    async fn get(
        &self,
    ) -> Response<impl http_body::Body<Data = Bytes, Error: std::error::Error> + Unpin + use<>>
    {
        let request = Request::get(format!("http://{}/", self.address))
            .body(Body::empty())
            .unwrap();
        bounded(client().request(request)).await.unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future)
        .await
        .expect("took too long")
}

async fn fine(_: Request<Body>) -> Result<Response<Body>, BoxError> {
    Ok(Response::new(Body::from("fine")))
}

/// A body of one piece that goes on no further.
struct Stalls(Option<Bytes>);

impl http_body::Body for Stalls {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.0.take() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None => Poll::Pending,
        }
    }
}

#[tokio::test]
async fn a_full_service_answers_503_with_retry_after() {
    // Each call takes a permit of the test's for good.
    let go_on = Arc::new(Semaphore::new(0));
    let begun = Arc::new(Semaphore::new(0));
    let (goes_on, begins) = (Arc::clone(&go_on), Arc::clone(&begun));
    let app = Router::new().fallback_service(
        ServiceBuilder::new()
            .layer(RejectionLayer::infallible(StatusCode::BAD_GATEWAY))
            .layer(
                LoadShedLayer::new(
                    LoadShedConfig::default()
                        .with_retry_after(Duration::from_millis(2_500))
                        .build()
                        .unwrap(),
                )
                .unwrap(),
            )
            .layer(tower::limit::GlobalConcurrencyLimitLayer::new(1))
            .service(service_fn(move |request| {
                let (goes_on, begins) = (Arc::clone(&goes_on), Arc::clone(&begins));
                async move {
                    begins.add_permits(1);
                    goes_on.acquire().await?.forget();
                    fine(request).await
                }
            })),
    );
    let site = Arc::new(Site::start(app).await);
    let first = tokio::spawn({
        let site = Arc::clone(&site);
        async move { site.get().await.status() }
    });
    bounded(begun.acquire()).await.unwrap().forget();
    for _ in 0..3 {
        let shed = site.get().await;
        assert_eq!(shed.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(shed.headers()[RETRY_AFTER], "3");
        let text = bounded(shed.into_body().collect())
            .await
            .unwrap()
            .to_bytes();
        assert!(text.starts_with(b"load_shed: "), "{text:?}");
    }
    go_on.add_permits(2);
    assert_eq!(bounded(first).await.unwrap(), StatusCode::OK);
    assert_eq!(
        site.get().await.status(),
        StatusCode::OK,
        "there is room again"
    );
}

#[tokio::test]
async fn what_matters_less_is_shed_early() {
    let app = Router::new().fallback_service(
        ServiceBuilder::new()
            .map_request(|mut request: Request<Body>| {
                campanile::Context::of_mut(&mut request).priority = Priority::Batch;
                request
            })
            .layer(RejectionLayer::infallible(StatusCode::BAD_GATEWAY))
            .layer(LoadShedLayer::default().http().signal(|| 0.95))
            .service(service_fn(fine)),
    );
    let shed = Site::start(app).await.get().await;
    assert_eq!(shed.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(shed.headers()[RETRY_AFTER], "1");
}

/// axum's own way: a handler of errors.
#[tokio::test]
async fn a_used_up_share_answers_429_through_handle_error() {
    let handle = async |error: BoxError| match Rejection::find(&*error) {
        Some(rejection) => rejection.to_response::<Body>(),
        None => Response::new(Body::empty()),
    };
    let app = Router::new().fallback_service(
        ServiceBuilder::new()
            .layer(HandleErrorLayer::new(handle))
            .layer(LoadShedLayer::default())
            .service(service_fn(async |_: Request<Body>| {
                let full = Rejection::new(RejectionKind::RateLimited, "rate_limit");
                let full = full.with_retry_after(Duration::from_secs(7));
                Err::<Response<Body>, BoxError>(full.into())
            })),
    );
    let refused = Site::start(app).await.get().await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()[RETRY_AFTER], "7");
}

#[tokio::test]
async fn an_upstream_that_hangs_answers_504() {
    let clocks = TimeoutConfig::new().with_head(Duration::from_millis(50));
    let app = Router::new().fallback_service(
        ServiceBuilder::new()
            .layer(RejectionLayer::infallible(StatusCode::BAD_GATEWAY))
            .map_response(|response: Response<_>| response.map(Body::new))
            .layer(TimeoutLayer::new(clocks.build().unwrap()).unwrap().http())
            .service(service_fn(async |_: Request<Body>| {
                std::future::pending::<Result<Response<Body>, BoxError>>().await
            })),
    );
    let refused = Site::start(app).await.get().await;
    assert_eq!(refused.status(), StatusCode::GATEWAY_TIMEOUT);
    let text = bounded(refused.into_body().collect())
        .await
        .unwrap()
        .to_bytes();
    assert!(text.starts_with(b"timeout.head: "), "{text:?}");
}

#[tokio::test]
async fn a_body_that_hangs_is_cut_and_never_ends_cleanly() {
    let clocks = TimeoutConfig::new().with_between_data(Duration::from_millis(50));
    let app = Router::new().fallback_service(
        ServiceBuilder::new()
            .layer(RejectionLayer::infallible(StatusCode::BAD_GATEWAY))
            .map_response(|response: Response<_>| response.map(Body::new))
            .layer(TimeoutLayer::new(clocks.build().unwrap()).unwrap().http())
            .service(service_fn(async |_: Request<Body>| {
                Ok::<_, BoxError>(Response::new(Stalls(Some("piece".into()))))
            })),
    );
    let response = Site::start(app).await;
    let response = response.get().await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    let piece = bounded(body.frame()).await.unwrap().unwrap();
    assert_eq!(piece.into_data().unwrap(), "piece");
    let end = bounded(body.frame()).await.expect("it ended cleanly");
    assert!(end.is_err());
}

#[tokio::test]
async fn a_failing_upstream_is_answered_for_by_another() {
    let app = Router::new().fallback_service(
        ServiceBuilder::new()
            .layer(RejectionLayer::infallible(StatusCode::BAD_GATEWAY))
            .layer(
                FallbackLayer::to(service_fn(fine))
                    // A body cannot be cloned.
                    .keeping(|request: &Request<Body>| {
                        Request::get(request.uri().clone()).body(Body::empty()).ok()
                    })
                    .http(),
            )
            .service(service_fn(async |_: Request<Body>| {
                let mut response = Response::new(Body::from("sick"));
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                Ok::<_, BoxError>(response)
            })),
    );
    let response = Site::start(app).await.get().await;
    assert_eq!(response.status(), StatusCode::OK);
    let text = bounded(response.into_body().collect())
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(text, "fine");
}
