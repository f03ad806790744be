//! Over real connections.

mod again;
mod http2;

use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tower::ServiceExt;

use super::*;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    (listener, url)
}

fn ask(url: &str) -> Request<Full<Bytes>> {
    Request::post(url).body(Full::default()).unwrap()
}

async fn body(response: Response<HttpBody>) -> Result<Bytes, HttpError> {
    Ok(response.into_body().collect().await?.to_bytes())
}

/// Reads a request without a body.
async fn take(connection: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(connection.read_u8().await.unwrap());
    }
}

async fn serve(listener: &TcpListener) -> TcpStream {
    let (mut connection, _) = listener.accept().await.unwrap();
    take(&mut connection).await;
    connection.write_all(ANSWER).await.unwrap();
    connection
}

/// Lets the other side of each connection do what it can.
async fn settle() {
    for _ in 0..2_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_is_not_used_again() {
    let (listener, url) = listen().await;
    let client = http_client();
    for _ in 0..3 {
        let (response, connection) =
            tokio::join!(client.clone().oneshot(ask(&url)), serve(&listener));
        assert_eq!(body(response.unwrap()).await.unwrap(), "ok");
        let origin = client.pool.origins.lock().unwrap().values().next().cloned();
        drop(connection);
        // Until its end is there.
        let bound = Duration::from_secs(10);
        let gone = async {
            while origin.as_ref().unwrap().idle().is_some_and(|idle| {
                idle.release();
                true
            }) {
                tokio::task::yield_now().await;
            }
        };
        timeout(bound, gone).await.expect("it is noticed");
    }
}

#[tokio::test]
async fn idle_connections_are_closed_in_time() {
    let (listener, url) = listen().await;
    let config = HttpConfig::default().with_idle_timeout(Duration::from_millis(20));
    let client = HttpClient::new(config).unwrap();
    let (response, mut connection) =
        tokio::join!(client.clone().oneshot(ask(&url)), serve(&listener));
    body(response.unwrap()).await.unwrap();
    let closed = timeout(Duration::from_secs(10), connection.read_u8()).await;
    assert!(
        closed
            .expect("nobody asks for it, and it is closed")
            .is_err()
    );
    let origins = client.pool.origins.lock().unwrap().clone();
    assert!(origins.values().all(|origin| origin.is_empty()));
}

#[tokio::test]
async fn no_more_idle_connections_are_kept_than_allowed() {
    let (listener, url) = listen().await;
    let client = HttpClient::new(HttpConfig::default().with_max_idle(1)).unwrap();
    let calls = join_all((0..3).map(|_| client.clone().oneshot(ask(&url))));
    let serving = async {
        let mut connections = Vec::new();
        for _ in 0..3 {
            connections.push(listener.accept().await.unwrap().0);
        }
        for connection in &mut connections {
            take(connection).await;
        }
        for connection in &mut connections {
            connection.write_all(ANSWER).await.unwrap();
        }
        connections
    };
    let (responses, mut connections) = tokio::join!(calls, serving);
    for response in responses {
        body(response.unwrap()).await.unwrap();
    }
    let mut closed = 0;
    for connection in &mut connections {
        let read = timeout(Duration::from_millis(200), connection.read_u8()).await;
        closed += usize::from(read.is_ok());
    }
    assert_eq!(closed, 2);
}

#[tokio::test]
async fn what_cannot_be_called_is_refused() {
    let client = http_client();
    let error = client.clone().oneshot(ask("/v1")).await.unwrap_err();
    assert!(matches!(error, HttpError::Address), "{error:?}");
    let tunnel = Request::connect("a.test:80").body(Full::default()).unwrap();
    let error = client.clone().oneshot(tunnel).await.unwrap_err();
    assert!(matches!(error, HttpError::Unsupported(_)), "{error:?}");
    let other = client.oneshot(ask("gopher://a.test/")).await.unwrap_err();
    assert!(matches!(other, HttpError::Connect(_)), "{other:?}");
}

#[tokio::test]
async fn origins_that_nobody_uses_are_forgotten() {
    let mut client = http_client();
    for port in 1..1_000 {
        let uri = format!("http://127.0.0.1:{port}").parse().unwrap();
        client.origin(&uri).unwrap();
    }
    assert!(client.pool.origins.lock().unwrap().len() < 10);
}

/// Connections that never come.
#[derive(Clone)]
struct Never(Arc<AtomicUsize>);

impl Service<Uri> for Never {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = std::future::Pending<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _address: Uri) -> Self::Future {
        self.0.fetch_add(1, Ordering::Relaxed);
        pending()
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_a_time_limit_for_all_that_wait_for_it() {
    for (http2, attempts) in [(false, 20), (true, 1)] {
        let made = Arc::new(AtomicUsize::new(0));
        let config = HttpConfig::default().with_http2_only(http2);
        let client = HttpClient::with_connector(Never(Arc::clone(&made)), config).unwrap();
        let before = tokio::time::Instant::now();
        let calls = join_all((0..20).map(|_| client.clone().oneshot(ask("http://a.test"))));
        for error in calls.await {
            let error = error.unwrap_err();
            assert!(matches!(error, HttpError::Connect(_)), "{error:?}");
        }
        let waited = tokio::time::Instant::now() - before;
        assert!(waited < Duration::from_secs(11), "{waited:?}");
        assert_eq!(made.load(Ordering::Relaxed), attempts);
    }
}
