//! Probes against real servers on loopback.

use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::{get, post},
    serve::ListenerExt,
};
use campanile::{
    BoxError, Endpoint,
    health::{
        All, Any, Check, Find, GrpcProbe, HttpAnswer, HttpProbe, Label, Probe, Report,
        ResponseTime, Same, TcpProbe, Verdict,
    },
};
use campanile_examples::http::serve;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header::AUTHORIZATION};
use http_body::Frame;
use http_body_util::{Empty, Full, StreamBody};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tonic::transport::server::TcpIncoming;
use tonic_health::{ServingStatus, server::health_reporter};

/// How long anything may take.
const BOUND: Duration = Duration::from_secs(30);

/// How long those may take that never answer.
const SHORT: Duration = Duration::from_millis(50);

/// A server that ends with the test.
struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look<T>(probe: &impl Probe<T>, target: T) -> Report {
    bounded(probe.check(Check::new(Endpoint::new("one"), target))).await
}

async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future)
        .await
        .expect("took too long")
}

fn said(report: &Report) -> (Verdict, &str) {
    (report.verdict, &report.message)
}

/// A port that nobody listens at.
async fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

// ===== HTTP =====

type Client = legacy::Client<HttpConnector, Empty<Bytes>>;

/// A path of the target.
#[derive(Clone, Copy)]
struct Path(&'static str);

impl Find<SocketAddr> for Path {
    type Found = String;

    fn find(&self, check: &Check<SocketAddr>) -> Result<String, BoxError> {
        Ok(format!("http://{}{}", check.target, self.0))
    }
}

fn page(path: &'static str) -> HttpProbe<Same<Client>, Path, Empty<Bytes>> {
    let client = legacy::Client::builder(TokioExecutor::new()).build_http();
    HttpProbe::new(client, Path(path))
}

/// Answers each path in its own way.
async fn website() -> Server {
    let cut = || async {
        let pieces = [Ok(Frame::data(Bytes::from("half"))), Err("broken")];
        Body::new(StreamBody::new(stream::iter(pieces)))
    };
    let secret = |headers: HeaderMap| async move {
        let known = headers
            .get(AUTHORIZATION)
            .is_some_and(|key| key == "Bearer hush-hush");
        if known {
            StatusCode::OK
        } else {
            StatusCode::UNAUTHORIZED
        }
    };
    let app = Router::new()
        .route("/well", get(|| async { "queue: 3" }))
        .route("/full", get(|| async { "queue: 300" }))
        .route("/sick", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .route("/hangs", get(pending::<StatusCode>))
        .route("/huge", get(|| async { "x".repeat(10 << 20) }))
        .route("/cut", get(cut))
        .route("/secret", get(secret))
        .route("/posted", post(|| async { StatusCode::NO_CONTENT }));
    let (address, task) = serve(app, 0).await.unwrap();
    Server { address, task }
}

#[tokio::test]
async fn pages_that_are_well_and_pages_that_are_not() {
    let site = website().await;
    for (path, verdict, message, status) in [
        ("/well", Verdict::Healthy, "", 200.0),
        ("/huge", Verdict::Healthy, "", 200.0),
        (
            "/sick",
            Verdict::Unhealthy,
            "status 503 Service Unavailable",
            503.0,
        ),
        (
            "/nowhere",
            Verdict::Unhealthy,
            "status 404 Not Found",
            404.0,
        ),
    ] {
        let report = look(&page(path), site.address).await;
        assert_eq!(said(&report), (verdict, message), "{path}");
        assert_eq!(report.metrics, [("status".into(), status)]);
    }
    let cut = look(&page("/cut"), site.address).await;
    assert_eq!(cut.verdict, Verdict::Unhealthy, "a cut body is no answer");

    let posted = page("/posted")
        .with_method(Method::POST)
        .with_statuses(204..=204);
    assert!(look(&posted, site.address).await.is_healthy());
    let secret = page("/secret");
    assert!(!look(&secret, site.address).await.is_healthy());
    let secret = secret.with_header(AUTHORIZATION, HeaderValue::from_static("Bearer hush-hush"));
    assert!(look(&secret, site.address).await.is_healthy());
}

#[tokio::test]
async fn connections_are_used_again_and_answers_without_end_are_not_read_to_it() {
    let connections = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&connections);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = listener.tap_io(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let app = Router::new()
        .route("/short", get(|| async { "well" }))
        .route(
            "/endless",
            get(|| async { Body::from_stream(stream::repeat(Ok::<_, Infallible>("x"))) }),
        );
    let task = tokio::spawn(async move {
        let _ = axum::serve(listener, app).await;
    });
    let server = Server { address, task };
    let client: Client = legacy::Client::builder(TokioExecutor::new()).build_http();
    let short = HttpProbe::new(client.clone(), Path("/short"));
    let endless = HttpProbe::new(client, Path("/endless"));
    for _ in 0..20 {
        assert!(look(&short, server.address).await.is_healthy());
    }
    // One would do, but for the moment in which it comes back to the client.
    let connections = connections.load(Ordering::Relaxed);
    assert!(connections <= 10, "{connections}");
    // Of an answer without end no more is read than the limit.
    assert!(look(&endless, server.address).await.is_healthy());
}

#[tokio::test]
async fn what_a_page_says_can_be_judged() {
    let site = website().await;
    let judge = |answer: &HttpAnswer| {
        let body = str::from_utf8(&answer.body)?;
        let depth: f64 = body.trim_start_matches("queue: ").parse()?;
        let report = if depth < 100.0 {
            Report::healthy()
        } else {
            Report::unhealthy("the queue is full")
        };
        Ok::<_, BoxError>(report.with_metric("depth", depth))
    };
    let report = look(&page("/well").with_judge(judge), site.address).await;
    assert_eq!(
        report.metrics,
        [("depth".into(), 3.0), ("status".into(), 200.0)]
    );
    let report = look(&page("/full").with_judge(judge), site.address).await;
    assert_eq!(said(&report), (Verdict::Unhealthy, "the queue is full"));

    // No more of a long page is read than the limit.
    let judge = |answer: &HttpAnswer| answer.truncated && answer.body.len() == 1_000;
    let huge = page("/huge").with_body_limit(1_000).with_judge(judge);
    assert!(look(&huge, site.address).await.is_healthy());
}

#[tokio::test]
async fn a_page_that_hangs_is_named_and_delays_no_other_for_longer_than_its_limit() {
    let site = website().await;
    let probe = All::new()
        .with("well", page("/well"))
        .within("stuck", SHORT, page("/hangs"));
    let report = look(&probe, site.address).await;
    assert_eq!(
        said(&report),
        (Verdict::Unhealthy, "stuck: took longer than 50ms")
    );
    assert_eq!(report.metrics, [("well_status".into(), 200.0)]);

    // One that answers is enough for `Any`, which then waits for nobody.
    let probe = Any::new()
        .within("stuck", BOUND * 2, page("/hangs"))
        .with("well", page("/well"));
    assert!(look(&probe, site.address).await.is_healthy());
}

#[tokio::test]
async fn slow_answers_are_told_from_quick_ones() {
    let site = website().await;
    let report = look(&ResponseTime::new(page("/well"), BOUND), site.address).await;
    assert!(report.is_healthy());
    let [(_, status), (name, took)] = &report.metrics[..] else {
        panic!("{report:?}");
    };
    assert_eq!((*status, &**name), (200.0, "response_time_seconds"));
    assert!(*took > 0.0 && *took < BOUND.as_secs_f64());
    let report = look(
        &ResponseTime::new(page("/well"), Duration::ZERO),
        site.address,
    )
    .await;
    assert_eq!(report.verdict, Verdict::Unhealthy);
    assert!(report.message.ends_with("longer than 0ns"), "{report:?}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_unhealthy_and_no_secret_is_told() {
    let probe = page("/well?key=opensesame")
        .with_header(AUTHORIZATION, HeaderValue::from_static("Bearer hush-hush"));
    let report = look(&probe, closed_port().await).await;
    assert_eq!(report.verdict, Verdict::Unhealthy);
    assert!(report.message.contains("refused"), "{report:?}");
    for secret in ["opensesame", "hush"] {
        assert!(!report.message.contains(secret), "{report:?}");
    }

    // And one that hangs up within the head.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = talker(listener, |mut stream| async move {
        stream.read_exact(&mut [0; 4]).await?;
        stream.write_all(b"HTTP/1.1 2").await
    });
    assert_eq!(look(&probe, address).await.verdict, Verdict::Unhealthy);
    server.abort();
}

// ===== TCP =====

/// Says something on each connection, then closes it.
fn talker<F, Fut>(listener: TcpListener, talk: F) -> JoinHandle<()>
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = std::io::Result<()>> + Send + 'static,
{
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Who is hung up on while it talks is none of this server's business.
            tokio::spawn(talk(stream));
        }
    })
}

async fn talking<F, Fut>(talk: F) -> Server
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = talker(listener, talk);
    Server { address, task }
}

#[tokio::test]
async fn a_port_is_open_or_closed() {
    let server = talking(|_| async { Ok(()) }).await;
    assert!(look(&TcpProbe::target(), server.address).await.is_healthy());
    let report = look(&TcpProbe::target(), closed_port().await).await;
    assert_eq!(report.verdict, Verdict::Unhealthy);
    assert!(report.message.starts_with("connecting: "), "{report:?}");

    // By a label, with a name; and by a function.
    let address = format!("localhost:{}", server.address.port());
    let endpoint = Endpoint::builder("one").label("address", address);
    let check = Check::new(endpoint.build().unwrap(), ());
    let report = bounded(TcpProbe::new(Label::new("address")).check(check)).await;
    assert_eq!(said(&report), (Verdict::Healthy, ""));
    let port = |check: &Check<u16>| ("127.0.0.1", check.target);
    assert!(
        look(&TcpProbe::new(port), server.address.port())
            .await
            .is_healthy()
    );
}

#[tokio::test]
async fn a_conversation_must_go_as_expected() {
    // A server that takes a question of 4 bytes and answers in pieces.
    let server = talking(|mut stream| async move {
        let mut question = [0; 4];
        stream.read_exact(&mut question).await?;
        assert_eq!(&question, b"PING");
        for piece in ["+PO", "NG and", " more"] {
            stream.write_all(piece.as_bytes()).await?;
            stream.flush().await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    })
    .await;
    let ping = TcpProbe::target().with_send("PING");
    assert!(
        look(&ping.clone().with_expect("+PONG"), server.address)
            .await
            .is_healthy()
    );
    let report = look(&ping.clone().with_expect("+PANG"), server.address).await;
    assert_eq!(
        said(&report),
        (Verdict::Unhealthy, "answered otherwise than expected")
    );
    let report = look(&ping.with_expect("+PONG and more and more"), server.address).await;
    assert_eq!(
        said(&report),
        (
            Verdict::Unhealthy,
            "closed the connection after 14 of the expected bytes"
        )
    );

    // More than fits into a buffer on either side, so that both must wait for the other.
    let long: Vec<_> = (0..4_u32 << 20).map(|i| (i % 251) as u8).collect();
    let length = long.len();
    let echo = talking(move |mut stream| async move {
        let mut all = vec![0; length];
        stream.read_exact(&mut all).await?;
        stream.write_all(&all).await
    })
    .await;
    let probe = TcpProbe::target().with_send(&long).with_expect(&long);
    assert_eq!(
        said(&look(&probe, echo.address).await),
        (Verdict::Healthy, "")
    );
}

#[tokio::test]
async fn one_that_accepts_and_says_nothing_is_found_out() {
    let silent = talking(|stream| async move {
        pending::<()>().await;
        drop(stream);
        Ok(())
    })
    .await;
    // It is open, as far as that goes.
    assert!(look(&TcpProbe::target(), silent.address).await.is_healthy());
    let probe = All::new()
        .with("port", TcpProbe::target())
        .within("banner", SHORT, TcpProbe::target().with_expect("220 "))
        .within("page", SHORT, page("/"));
    let report = look(&probe, silent.address).await;
    assert_eq!(
        said(&report),
        (
            Verdict::Unhealthy,
            "banner: took longer than 50ms; page: took longer than 50ms"
        )
    );
}

// ===== gRPC =====

type GrpcClient = legacy::Client<HttpConnector, Full<Bytes>>;

fn grpc() -> GrpcProbe<Same<GrpcClient>, Path, Full<Bytes>> {
    let mut client = legacy::Client::builder(TokioExecutor::new());
    GrpcProbe::new(client.http2_only(true).build_http(), Path(""))
}

fn serving(report: &Report) -> Option<f64> {
    let found = report
        .metrics
        .iter()
        .find(|(name, _)| name == "serving_status");
    found.map(|(_, value)| *value)
}

async fn tonic_server(router: tonic::transport::server::Router) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let _ = router
            .serve_with_incoming(TcpIncoming::from(listener))
            .await;
    });
    Server { address, task }
}

#[tokio::test]
async fn a_grpc_server_is_followed_as_its_status_changes() {
    let (reporter, health) = health_reporter();
    let server = tonic_server(tonic::transport::Server::builder().add_service(health)).await;
    let whole = grpc();
    let chat = grpc().with_service("chat.v1.Chat");

    let report = look(&whole, server.address).await;
    assert_eq!(said(&report), (Verdict::Healthy, ""));
    assert_eq!(serving(&report), Some(1.0));
    let report = look(&chat, server.address).await;
    assert_eq!(report.verdict, Verdict::Unhealthy);
    assert!(report.message.starts_with("NOT_FOUND"), "{report:?}");

    for (status, verdict, message, number) in [
        (ServingStatus::Serving, Verdict::Healthy, "", 1.0),
        (
            ServingStatus::NotServing,
            Verdict::Unhealthy,
            "NOT_SERVING",
            2.0,
        ),
        (ServingStatus::Unknown, Verdict::Unhealthy, "UNKNOWN", 0.0),
        (ServingStatus::Serving, Verdict::Healthy, "", 1.0),
    ] {
        reporter.set_service_status("chat.v1.Chat", status).await;
        let report = look(&chat, server.address).await;
        assert_eq!(said(&report), (verdict, message));
        assert_eq!(serving(&report), Some(number));
        // The server as a whole is another matter.
        assert!(look(&whole, server.address).await.is_healthy());
    }
}

#[tokio::test]
async fn servers_without_health_and_without_grpc_are_told_apart() {
    // A gRPC server with nothing at all.
    let routes = tonic::service::Routes::default();
    let bare = tonic_server(tonic::transport::Server::builder().add_routes(routes)).await;
    let report = look(&grpc(), bare.address).await;
    assert_eq!(
        said(&report),
        (
            Verdict::Unknown,
            "UNIMPLEMENTED: the server has no grpc.health.v1.Health service"
        )
    );
    assert_eq!(report.metrics, [("grpc_status".into(), 12.0)]);

    // A web server of HTTP/1, a client of HTTP/1, and nobody.
    let site = website().await;
    assert_eq!(
        look(&grpc(), site.address).await.verdict,
        Verdict::Unhealthy
    );
    let old: GrpcClient = legacy::Client::builder(TokioExecutor::new()).build_http();
    let probe = GrpcProbe::new(old, Path(""));
    let report = look(&probe, bare.address).await;
    assert_eq!(report.verdict, Verdict::Unhealthy);
    assert!(report.message.contains("Version"), "{report:?}");
    let report = look(&grpc(), closed_port().await).await;
    assert_eq!(report.verdict, Verdict::Unhealthy);
    assert!(report.message.contains("refused"), "{report:?}");
}
