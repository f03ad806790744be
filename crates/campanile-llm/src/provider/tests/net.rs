//! Over real connections.

use hyper::{body::Incoming, service::service_fn as http_service};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// A server that is not ours: hyper's.
pub(super) struct Server {
    pub(super) url: String,
    keys: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    pub(super) async fn answering(http2: bool, kind: &'static str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(Vec::new()));
        let (seen, body) = (Arc::clone(&keys), Bytes::copy_from_slice(body.as_bytes()));
        let connections = Arc::new(AtomicUsize::new(0));
        let made = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                made.fetch_add(1, Ordering::Relaxed);
                let (seen, body) = (Arc::clone(&seen), body.clone());
                let service = http_service(move |request: Request<Incoming>| {
                    let key = request.headers()["authorization"].to_str().unwrap();
                    seen.lock().unwrap().push(key.to_owned());
                    let response = Response::builder().header("content-type", kind);
                    let response = response.body(Full::new(body.clone())).unwrap();
                    async move {
                        // All of it, so that the connection can be used again.
                        request.into_body().collect().await.unwrap();
                        Ok::<_, Infallible>(response)
                    }
                });
                let io = TokioIo::new(connection);
                tokio::spawn(async move {
                    if http2 {
                        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        let _ = server.serve_connection(io, service).await;
                    } else {
                        let server = hyper::server::conn::http1::Builder::new();
                        let _ = server.serve_connection(io, service).await;
                    }
                });
            }
        });
        Self {
            url,
            keys,
            connections,
        }
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }
}

/// A provider behind a socket in the hand, and what accepts its connections.
async fn socket() -> (Provider<HttpClient>, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let provider = Provider::new(http_client(), &ProviderConfig::llama_cpp(&url)).unwrap();
    (provider, listener)
}

/// Reads a request to its end.
async fn take_request(connection: &mut TcpStream) {
    let mut request = Vec::new();
    let mut buffer = [0; 4_096];
    while !request.windows(2).any(|end| end == b"]}" || end == b"e}") {
        let read = connection.read(&mut buffer).await.unwrap();
        assert!(
            read > 0,
            "the request ended: {}",
            String::from_utf8_lossy(&request)
        );
        request.extend_from_slice(&buffer[..read]);
    }
}

const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunked(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

#[tokio::test]
async fn a_stream_that_is_dropped_closes_the_connection() {
    let (provider, listener) = socket().await;
    let call = tokio::spawn(provider.oneshot(Call::new(ask().streamed())));
    let (mut connection, _) = listener.accept().await.unwrap();
    take_request(&mut connection).await;
    connection
        .write_all(format!("{HEAD}{}", chunked(FIRST)).as_bytes())
        .await
        .unwrap();
    let mut stream = stream(call.await.unwrap().unwrap());
    assert_eq!(stream.next().await.unwrap().unwrap().part(), Part::Content);
    drop(stream);
    let mut rest = [0; 16];
    assert_eq!(connection.read(&mut rest).await.unwrap(), 0, "it is closed");
}

#[tokio::test]
async fn a_call_that_is_dropped_before_its_head_closes_the_connection() {
    let (provider, listener) = socket().await;
    let call = tokio::spawn(provider.oneshot(Call::new(ask())));
    let (mut connection, _) = listener.accept().await.unwrap();
    take_request(&mut connection).await;
    call.abort();
    let mut rest = [0; 16];
    assert_eq!(connection.read(&mut rest).await.unwrap(), 0, "it is closed");
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_from_one_that_is_not_made() {
    // Nobody listens.
    let (provider, listener) = socket().await;
    drop(listener);
    let error = provider.oneshot(Call::new(ask())).await.unwrap_err();
    assert_eq!(error.class(), Class::Unreachable);
    assert!(std::error::Error::source(&error).is_some());

    // It breaks before the head.
    let (provider, listener) = socket().await;
    let call = tokio::spawn(provider.oneshot(Call::new(ask())));
    let (mut connection, _) = listener.accept().await.unwrap();
    take_request(&mut connection).await;
    connection
        .write_all(b"HTTP/1.1 200 OK\r\ncont")
        .await
        .unwrap();
    drop(connection);
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.class(), Class::Unreachable);

    // It breaks after the head.
    let (provider, listener) = socket().await;
    let call = tokio::spawn(provider.oneshot(Call::new(ask().streamed())));
    let (mut connection, _) = listener.accept().await.unwrap();
    take_request(&mut connection).await;
    connection
        .write_all(format!("{HEAD}{}", chunked(FIRST)).as_bytes())
        .await
        .unwrap();
    drop(connection);
    let mut stream = stream(call.await.unwrap().unwrap());
    assert!(stream.next().await.unwrap().is_ok());
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.class(), Class::Interrupted);
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_stream() {
    let server = Server::answering(false, SSE, &format!("{FIRST}{LAST}")).await;
    let config = ProviderConfig::openai("sk-1").with_base_url(&server.url);
    let provider = Provider::new(http_client(), &config).unwrap();
    for _ in 0..2 {
        let response = provider
            .clone()
            .oneshot(Call::new(ask().streamed()))
            .await
            .unwrap();
        let events: Vec<_> = stream(response).collect().await;
        assert_eq!(events.len(), 3);
        settle().await;
    }
    assert_eq!(server.keys().len(), 2);
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

/// Many servers write the end of the body in a packet of its own, after that of the stream.
#[tokio::test]
async fn a_connection_whose_end_comes_late_is_used_again() {
    let (provider, listener) = socket().await;
    let ask = || Call::new(ask().streamed());
    let call = tokio::spawn(provider.clone().oneshot(ask()));
    let (mut connection, _) = listener.accept().await.unwrap();
    take_request(&mut connection).await;
    let whole = format!("{HEAD}{}", chunked(&format!("{FIRST}{LAST}")));
    connection.write_all(whole.as_bytes()).await.unwrap();
    let stream = stream(call.await.unwrap().unwrap());
    // However long this takes here, it is a moment.
    tokio::time::pause();
    let events: Vec<_> = stream.collect().await;
    assert_eq!(events.last().unwrap().as_ref().unwrap().part(), Part::End);
    settle().await;
    connection.write_all(b"0\r\n\r\n").await.unwrap();
    settle().await;
    // It rests a moment.
    tokio::time::advance(std::time::Duration::from_millis(20)).await;
    tokio::time::resume();
    let call = tokio::spawn(provider.oneshot(ask()));
    tokio::select! {
        () = take_request(&mut connection) => call.abort(),
        _ = listener.accept() => panic!("it makes another connection"),
    }
}

/// A reader who goes although there is more is not one who has had all.
#[tokio::test]
async fn a_stream_that_is_dropped_and_goes_on_closes_the_connection() {
    let (provider, listener) = socket().await;
    let call = tokio::spawn(provider.oneshot(Call::new(ask().streamed())));
    let (mut connection, _) = listener.accept().await.unwrap();
    take_request(&mut connection).await;
    let first = format!("{HEAD}{}", chunked(FIRST));
    connection.write_all(first.as_bytes()).await.unwrap();
    let mut stream = stream(call.await.unwrap().unwrap());
    assert_eq!(stream.next().await.unwrap().unwrap().part(), Part::Content);
    drop(stream);
    connection
        .write_all(chunked(FIRST).as_bytes())
        .await
        .unwrap();
    let closed = connection.read(&mut [0; 16]).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
}

/// As behind a router that has forgotten it: nothing comes, and nothing says so.
#[tokio::test]
async fn a_connection_of_http2_that_is_dead_fails_its_calls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let config = HttpConfig::default()
        .with_http2_only(true)
        .with_keepalive(std::time::Duration::from_millis(50));
    let http = HttpClient::new(config).unwrap();
    let provider = Provider::new(http, &ProviderConfig::llama_cpp(&url)).unwrap();
    let call = provider.oneshot(Call::new(ask()));
    let bound = std::time::Duration::from_secs(20);
    let accept = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        // Its settings, of which there are none. Then nothing more.
        connection
            .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        connection
    };
    let (result, connection) = tokio::join!(tokio::time::timeout(bound, call), accept);
    let error = result.expect("it is noticed").unwrap_err();
    assert_eq!(error.class(), Class::Unreachable, "{error:?}");
    drop(connection);
}

/// Lets the other side of each connection do what it can.
async fn settle() {
    for _ in 0..2_000 {
        tokio::task::yield_now().await;
    }
}

/// The buffer bounds what nobody reads, not what is sent or read.
#[tokio::test]
async fn long_prompts_and_answers_pass() {
    let text = "a".repeat(1 << 20);
    let body = WHOLE.replace("Rome", &text);
    for http2 in [false, true] {
        let server = Server::answering(http2, JSON, &body).await;
        let http = HttpClient::new(HttpConfig::default().with_http2_only(http2)).unwrap();
        let config = ProviderConfig::openai("sk-1").with_base_url(&server.url);
        let provider = Provider::new(http, &config).unwrap();
        let response = provider
            .oneshot(Call::new(ask().user(&text)))
            .await
            .unwrap();
        assert!(matches!(response.answer, Answer::Whole(whole) if whole.text() == text));
    }
}

/// What answers is no TLS.
#[cfg(feature = "tls")]
#[tokio::test]
async fn a_handshake_that_fails_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/v1", listener.local_addr().unwrap());
    let config = ProviderConfig::openai("sk-1").with_base_url(url);
    let provider = Provider::new(http_client(), &config).unwrap();
    let call = tokio::spawn(provider.oneshot(Call::new(ask())));
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut hello = [0; 3];
    connection.read_exact(&mut hello).await.unwrap();
    assert_eq!(hello[..2], [0x16, 3], "a handshake of TLS");
    connection
        .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .unwrap();
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.class(), Class::Unreachable);
}

#[test]
fn settings_of_the_client_are_checked() {
    assert!(HttpConfig::default().build().is_ok());
    let error = HttpConfig::default().with_buffer(100).build().unwrap_err();
    assert_eq!(error.field, "buffer");
    let none = std::time::Duration::ZERO;
    let error = HttpConfig::default()
        .with_idle_timeout(none)
        .build()
        .unwrap_err();
    assert_eq!(error.field, "idle_timeout");
    let ever = std::time::Duration::MAX;
    let error = HttpConfig::default().with_keepalive(ever).build();
    assert_eq!(error.unwrap_err().field, "keepalive");
    let config: HttpConfig = serde_json::from_str(r#"{ "connect_timeout": "3s" }"#).unwrap();
    assert_eq!(config.connect_timeout, std::time::Duration::from_secs(3));
}
