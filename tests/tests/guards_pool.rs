//! Every guard in one chain over a pool of real HTTP upstreams that die, stall and refuse.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
};
use campanile::{
    BoxError, Endpoint,
    balance::{AvoidTried, BalanceLayer, LeastLoaded},
    budget::{Budget, BudgetConfig},
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerLayer},
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitHandle, ConcurrencyLimitLayer},
    discover::{PerEndpointLayer, Roster},
    hedge::{Delay, HedgeConfig, HedgeLayer},
    load_shed::{LoadShedLayer, RejectionLayer},
    rate_limit::{Limit, RateLimitConfig, RateLimitLayer},
    retry::{Backoff, RetryAfter, RetryConfig, RetryLayer},
    timeout::{TimeoutConfig, TimeoutLayer},
};
use campanile_examples::http::{Answer, Caller, Upstream, client, serve};
use http::{Request, Response, StatusCode, Uri, header::RETRY_AFTER, uri::Scheme};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::task::JoinHandle;
use tower::{Layer, Service, ServiceBuilder, limit::GlobalConcurrencyLimitLayer};

/// How long anything may take.
const BOUND: Duration = Duration::from_secs(30);

const MS: Duration = Duration::from_millis(1);

const FINE: u8 = 0;
const STALLS: u8 = 1;
const REFUSES: u8 = 2;

/// An upstream that can stall after its head, or refuse.
struct Moody {
    name: &'static str,
    mood: Arc<AtomicU8>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

/// A body that never begins.
struct Never;

struct Site {
    endpoints: Vec<Endpoint>,
    limits: Arc<Mutex<Vec<ConcurrencyLimitHandle>>>,
    retries: Budget,
    address: SocketAddr,
    server: JoinHandle<()>,
}

/// As those of tower-http are: it works with any request and any body, and wraps both answer and body.
#[derive(Clone, Copy)]
struct Stamp(&'static str);

#[derive(Clone)]
struct Stamped<S> {
    inner: S,
    name: &'static str,
}

// ===== impl Moody =====

impl Moody {
    async fn start(name: &'static str) -> Self {
        let mood = Arc::new(AtomicU8::new(FINE));
        let now = Arc::clone(&mood);
        let app = Router::new().fallback(async move |request: Request<Body>| {
            let sent = request.into_body().collect().await.unwrap().to_bytes();
            let mut response = match now.load(Relaxed) {
                STALLS => Response::new(Body::new(Never)),
                REFUSES => Response::builder()
                    .status(StatusCode::SERVICE_UNAVAILABLE)
                    .header(RETRY_AFTER, "1")
                    .body(Body::from("busy"))
                    .unwrap(),
                _ => Response::new(Body::from(format!("{name} 1/2\n{name} 2/2\n"))),
            };
            let headers = response.headers_mut();
            headers.insert("x-upstream", name.parse().unwrap());
            headers.insert("x-sent", sent.as_ref().try_into().unwrap());
            response
        });
        let (address, server) = serve(app, 0).await.unwrap();
        Self {
            name,
            mood,
            address,
            server,
        }
    }

    fn is(&self, mood: u8) {
        self.mood.store(mood, Relaxed);
    }
}

impl Drop for Moody {
    fn drop(&mut self) {
        self.server.abort();
    }
}

// ===== impl Never =====

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Pending
    }
}

// ===== impl Stamp =====

impl<S> Layer<S> for Stamp {
    type Service = Stamped<S>;

    fn layer(&self, inner: S) -> Stamped<S> {
        let name = self.0;
        Stamped { inner, name }
    }
}

type MapBody<B> =
    http_body_util::combinators::MapErr<B, fn(<B as http_body::Body>::Error) -> BoxError>;

impl<S, A, B> Service<Request<A>> for Stamped<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    B: http_body::Body<Error: Into<BoxError>> + 'static,
{
    type Response = Response<MapBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (answer, name) = (self.inner.call(request), self.name);
        Box::pin(async move {
            let mut response = answer.await?;
            response
                .headers_mut()
                .insert(name, "passed".parse().unwrap());
            Ok(response.map(|body| body.map_err(Into::into as fn(B::Error) -> BoxError)))
        })
    }
}

// ===== impl Site =====

impl Site {
    /// The chain of the design's first section, behind axum.
    async fn start(members: &[(&'static str, SocketAddr)]) -> Self {
        Self::with(members, AvoidTried::new(LeastLoaded::default())).await
    }

    async fn with<St>(members: &[(&'static str, SocketAddr)], strategy: St) -> Self
    where
        St: campanile::balance::Pick<Request<Body>>,
    {
        let roster = Roster::new();
        let endpoints = members
            .iter()
            .map(|(name, address)| roster.insert(*name, *address).unwrap())
            .collect();
        let limits = Arc::default();
        let retries = Budget::new(BudgetConfig::default().with_cap(50.0).with_initial(50.0));

        let retry = RetryConfig::default()
            .with_max_retries(3)
            .with_backoff(Backoff::fixed(10 * MS))
            .with_retry_after(RetryAfter::Elsewhere)
            .with_patience(5_000 * MS);
        let hedge = HedgeConfig::default()
            .with_delay(Delay::fixed(100 * MS))
            .with_share(1.0)
            .with_burst(100);
        let breaker = CircuitBreakerConfig::default()
            .with_open_for(200 * MS)
            .with_open_max(400 * MS);
        let clocks = TimeoutConfig::new()
            .with_head(2_000 * MS)
            .with_first_data(500 * MS)
            .with_between_data(5_000 * MS);

        let rate = RateLimitConfig::requests(Limit::per_second(10_000.0));
        let rate = RateLimitLayer::new(rate).unwrap().http();
        let breaker = CircuitBreakerLayer::new(breaker).unwrap().http();
        let clocks = TimeoutLayer::new(clocks).unwrap().http();
        let handles: Arc<Mutex<Vec<ConcurrencyLimitHandle>>> = Arc::clone(&limits);
        let client = client();
        let app = ServiceBuilder::new()
            .layer(RejectionLayer::infallible(StatusCode::BAD_GATEWAY))
            .map_response(|response: Response<_>| response.map(Body::new))
            .layer(Stamp("x-outside"))
            .layer(LoadShedLayer::default().http())
            .layer(GlobalConcurrencyLimitLayer::new(256))
            .layer(
                RetryLayer::new(retry)
                    .unwrap()
                    .http()
                    .replay_bodies(1_000)
                    .budget(retries.clone()),
            )
            .layer(Stamp("x-retried"))
            .layer(HedgeLayer::new(hedge).unwrap().http().replay_bodies(1_000))
            .map_request(|request: Request<_>| request.map(Body::new))
            .layer(Stamp("x-hedged"))
            .layer(BalanceLayer::http(strategy))
            .layer(PerEndpointLayer::new(
                move |endpoint: &Endpoint, address: SocketAddr| {
                    let limit =
                        ConcurrencyLimitHandle::new(ConcurrencyLimitConfig::fixed(32)).unwrap();
                    handles.lock().unwrap().push(limit.clone());
                    ServiceBuilder::new()
                        .layer(breaker.clone().gate(endpoint))
                        .layer(Stamp("x-guarded"))
                        .layer(rate.clone().gate(endpoint))
                        .layer(ConcurrencyLimitLayer::shared(&limit).http().gate(endpoint))
                        .layer(GlobalConcurrencyLimitLayer::new(64))
                        .layer(clocks.clone())
                        .map_err(BoxError::from)
                        .map_request(move |request| to(address, request))
                        .service(client.clone())
                },
            ))
            .service(roster.changes());
        let app = Router::new().fallback_service(app);
        let (address, server) = serve(app, 0).await.unwrap();
        Self {
            endpoints,
            limits,
            retries,
            address,
            server,
        }
    }

    /// Sends `text`; the head of the answer.
    async fn post(&self, text: &'static str) -> Response<Body> {
        let request = Request::post(format!("http://{}/", self.address))
            .body(Body::from(text))
            .unwrap();
        let response = bounded(client().request(request)).await.unwrap();
        response.map(Body::new)
    }

    /// Waits until nothing is under way, by every count.
    async fn idle(&self) {
        until(|| {
            let limits = self.limits.lock().unwrap();
            let free = |limit: &ConcurrencyLimitHandle| limit.in_use() == 0 && limit.waiting() == 0;
            self.endpoints
                .iter()
                .all(|endpoint| endpoint.in_flight() == 0)
                && limits.iter().all(free)
        })
        .await;
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The request, addressed to an upstream.
fn to(address: SocketAddr, mut request: Request<Body>) -> Request<Body> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = address.to_string().parse().ok();
    *request.uri_mut() = Uri::from_parts(parts).unwrap();
    request.headers_mut().remove(http::header::HOST);
    request
}

async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future)
        .await
        .expect("took too long")
}

/// Waits for a condition that other tasks bring about.
async fn until(mut condition: impl FnMut() -> bool) {
    bounded(async {
        while !condition() {
            tokio::time::sleep(2 * MS).await;
        }
    })
    .await;
}

/// Calls, four at a time, that must all be answered whole; who answered them.
async fn all_whole(site: &Site, calls: usize) -> Vec<String> {
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let caller = Caller::new(site.address);
            tokio::spawn(async move {
                let mut answered = Vec::new();
                for _ in 0..calls / 4 {
                    match bounded(caller.get()).await.unwrap() {
                        Answer::Whole { upstream } => answered.push(upstream),
                        other => panic!("{other:?}"),
                    }
                }
                answered
            })
        })
        .collect();
    let mut answered = Vec::new();
    for task in tasks {
        answered.extend(task.await.unwrap());
    }
    answered
}

#[tokio::test]
async fn while_one_upstream_is_well_no_caller_sees_what_happens_to_the_others() {
    let mut mortal = Upstream::start("mortal", 2, MS).await.unwrap();
    let (lazy, busy) = (Moody::start("lazy").await, Moody::start("busy").await);
    let site = Site::start(&[
        ("mortal", mortal.address()),
        (lazy.name, lazy.address),
        (busy.name, busy.address),
    ])
    .await;
    let everyone = |answered: &[String]| {
        ["mortal", "lazy", "busy"]
            .iter()
            .all(|name| answered.iter().any(|by| by == name))
    };
    assert!(everyone(&all_whole(&site, 40).await));

    // One is gone, and one stalls after its head.
    mortal.kill().await;
    lazy.is(STALLS);
    let answered = all_whole(&site, 40).await;
    assert!(answered.iter().all(|by| by == "busy"), "{answered:?}");

    // One is back, and once its breaker has found out, one refuses, and one stalls still.
    mortal.restart().await.unwrap();
    let back = |answered: Vec<String>| answered.iter().any(|by| by == "mortal");
    bounded(async { while !back(all_whole(&site, 8).await) {} }).await;
    busy.is(REFUSES);
    let answered = all_whole(&site, 40).await;
    assert!(answered.iter().all(|by| by == "mortal"), "{answered:?}");

    // All are well, and all are found out to be.
    lazy.is(FINE);
    busy.is(FINE);
    bounded(async { while !everyone(&all_whole(&site, 40).await) {} }).await;
    site.idle().await;
    let spent = site.retries.snapshot().withdrawn;
    assert!(spent > 0, "something was tried again");
    let cancelled: u64 = site
        .endpoints
        .iter()
        .map(|endpoint| endpoint.outcomes().cancelled)
        .sum();
    assert!(cancelled > 0, "hedges were lost");
}

#[tokio::test]
async fn a_body_reaches_whoever_answers() {
    let (lazy, busy) = (Moody::start("lazy").await, Moody::start("busy").await);
    let site = Site::start(&[(lazy.name, lazy.address), (busy.name, busy.address)]).await;
    for (one, other) in [(FINE, FINE), (STALLS, FINE), (FINE, REFUSES)] {
        lazy.is(one);
        busy.is(other);
        for _ in 0..6 {
            let response = site.post("ding dong").await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()["x-sent"], "ding dong");
            for stamp in ["x-outside", "x-retried", "x-hedged", "x-guarded"] {
                assert_eq!(response.headers()[stamp], "passed");
            }
            bounded(response.into_body().collect()).await.unwrap();
        }
    }
    site.idle().await;
}

/// Nothing is tried again once a caller has seen data.
#[tokio::test]
async fn what_is_cut_after_its_first_data_is_an_error_and_never_a_clean_end() {
    let mut mortal = Upstream::start("mortal", 1_000_000, MS).await.unwrap();
    let site = Site::start(&[("mortal", mortal.address())]).await;
    let mut bodies = Vec::new();
    for _ in 0..6 {
        let response = site.post("hello").await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body();
        bounded(body.frame()).await.unwrap().unwrap();
        bodies.push(body);
    }
    assert_eq!(site.endpoints[0].in_flight(), 6);
    mortal.kill().await;
    for mut body in bodies {
        let end = bounded(async {
            loop {
                match body.frame().await {
                    Some(Ok(_)) => {}
                    end => break end,
                }
            }
        })
        .await;
        assert!(matches!(end, Some(Err(_))), "a cut body ended cleanly");
    }
    site.idle().await;
    assert_eq!(site.endpoints[0].outcomes().failure, 6);
}

/// The client hangs up while its call is in each of its states.
#[tokio::test]
async fn whoever_hangs_up_leaves_nothing_behind() {
    let (lazy, busy) = (Moody::start("lazy").await, Moody::start("busy").await);
    lazy.is(STALLS);
    busy.is(STALLS);
    let site = Site::start(&[(lazy.name, lazy.address), (busy.name, busy.address)]).await;
    for patience in [1, 5, 50, 120, 200] {
        let gone = tokio::time::timeout(patience * MS, site.post("hello")).await;
        assert!(gone.is_err(), "nobody has any data");
    }
    site.idle().await;
}

#[tokio::test]
async fn when_nobody_is_well_callers_are_told_so_and_when_to_come_back() {
    let busy = Moody::start("busy").await;
    busy.is(REFUSES);
    let site = Site::start(&[(busy.name, busy.address)]).await;
    for _ in 0..2 {
        let response = site.post("hello").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(RETRY_AFTER));
    }
    busy.is(FINE);
    bounded(async { while site.post("hello").await.status() != StatusCode::OK {} }).await;
    site.idle().await;
}
