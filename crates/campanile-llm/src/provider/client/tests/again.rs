//! Connections of HTTP/1 that are used again, or not.

use tokio::sync::Notify;

use super::*;

/// What is waited for comes at once, or not at all.
const BOUND: Duration = Duration::from_secs(10);

/// Makes one connection, and no more.
#[derive(Clone)]
struct Once {
    tcp: HttpConnector,
    made: Arc<AtomicUsize>,
    second: Arc<Notify>,
}

impl Service<Uri> for Once {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        if self.made.fetch_add(1, Ordering::Relaxed) > 0 {
            self.second.notify_one();
            return Box::pin(pending());
        }
        let connecting = self.tcp.call(uri);
        Box::pin(async { connecting.await.map_err(Into::into) })
    }
}

/// Such a connector, and what tells each time that a connection is wanted that does not come.
fn once() -> (Once, Arc<Notify>) {
    let once = Once {
        tcp: HttpConnector::new(),
        made: Arc::default(),
        second: Arc::default(),
    };
    let second = Arc::clone(&once.second);
    (once, second)
}

#[tokio::test]
async fn a_call_takes_a_connection_that_becomes_idle_before_its_own_is_made() {
    let (listener, url) = listen().await;
    let (once, second) = once();
    let client = HttpClient::with_connector(once, HttpConfig::default()).unwrap();
    let first = tokio::spawn(client.clone().oneshot(ask(&url)));
    let (mut connection, _) = listener.accept().await.unwrap();
    take(&mut connection).await;
    let calls: Vec<_> = (0..2)
        .map(|_| tokio::spawn(client.clone().oneshot(ask(&url))))
        .collect();
    second.notified().await;
    connection.write_all(ANSWER).await.unwrap();
    body(first.await.unwrap().unwrap()).await.unwrap();
    for call in calls {
        take(&mut connection).await;
        connection.write_all(ANSWER).await.unwrap();
        body(call.await.unwrap().unwrap()).await.unwrap();
    }
}

/// A call's connection may be closed after it was found: it is not sent there.
#[tokio::test]
async fn a_call_whose_connection_is_closed_before_it_is_sent_takes_another_that_is_idle() {
    let (listener, url) = listen().await;
    let client = http_client();
    let (mut calls, mut connections) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        calls.push(tokio::spawn(client.clone().oneshot(ask(&url))));
        let (mut connection, _) = listener.accept().await.unwrap();
        take(&mut connection).await;
        connections.push(connection);
    }
    for (call, connection) in calls.into_iter().zip(&mut connections) {
        connection.write_all(ANSWER).await.unwrap();
        body(call.await.unwrap().unwrap()).await.unwrap();
    }
    // The last is on top.
    let call = client.clone().call(ask(&url));
    drop(connections.pop());
    settle().await;
    let call = tokio::spawn(call);
    let mut other = connections.pop().unwrap();
    tokio::select! {
        () = take(&mut other) => {}
        _ = listener.accept() => panic!("it makes another connection"),
    }
    other.write_all(ANSWER).await.unwrap();
    body(call.await.unwrap().unwrap()).await.unwrap();
}

/// Its end and its refusal of more look as if it had closed before the call came.
#[tokio::test]
async fn a_call_that_a_server_has_read_before_it_broke_off_is_not_made_again() {
    let (listener, url) = listen().await;
    let client = http_client();
    let first = tokio::spawn(client.clone().oneshot(ask(&url)));
    let mut connection = serve(&listener).await;
    body(first.await.unwrap().unwrap()).await.unwrap();
    let second = tokio::spawn(client.oneshot(ask(&url)));
    take(&mut connection).await;
    connection.shutdown().await.unwrap();
    connection.set_zero_linger().unwrap();
    drop(connection);
    let error = timeout(BOUND, second).await.expect("it is not made again");
    let error = error.unwrap().unwrap_err();
    assert!(matches!(error, HttpError::Closed), "{error:?}");
}

#[tokio::test]
async fn an_upload_that_a_server_breaks_off_is_not_made_again() {
    let (listener, url) = listen().await;
    let client = http_client();
    let first = tokio::spawn(client.clone().oneshot(ask(&url)));
    let mut connection = serve(&listener).await;
    body(first.await.unwrap().unwrap()).await.unwrap();
    let upload = Full::new(Bytes::from(vec![b'a'; 64 << 20]));
    let upload = Request::post(&url).body(upload).unwrap();
    let second = tokio::spawn(client.oneshot(upload));
    connection.read_exact(&mut [0; 1_024]).await.unwrap();
    connection.set_zero_linger().unwrap();
    drop(connection);
    let error = timeout(BOUND, second).await.expect("it is not made again");
    let error = error.unwrap().unwrap_err();
    assert!(
        matches!(error, HttpError::Io(_) | HttpError::Closed),
        "{error:?}"
    );
}

/// It may have done what was asked.
#[tokio::test]
async fn a_call_that_a_server_has_read_is_not_made_again() {
    let (listener, url) = listen().await;
    let client = http_client();
    let first = tokio::spawn(client.clone().oneshot(ask(&url)));
    let mut connection = serve(&listener).await;
    body(first.await.unwrap().unwrap()).await.unwrap();
    let second = tokio::spawn(client.oneshot(ask(&url)));
    take(&mut connection).await;
    drop(connection);
    let error = second.await.unwrap().unwrap_err();
    assert!(matches!(error, HttpError::Closed), "{error:?}");
}
