//! Connections of HTTP/1 that are used again, or not.

use tokio::sync::Notify;

use super::*;

const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

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

/// It rests when it becomes idle: the call is told once it may be used.
#[tokio::test]
async fn a_call_takes_a_connection_that_has_rested_after_a_stream() {
    let (listener, url) = listen().await;
    let (once, second) = once();
    let client = HttpClient::with_connector(once, HttpConfig::default()).unwrap();
    let first = tokio::spawn(client.clone().oneshot(ask(&url)));
    let (mut connection, _) = listener.accept().await.unwrap();
    take(&mut connection).await;
    let call = tokio::spawn(client.clone().oneshot(ask(&url)));
    second.notified().await;
    connection.write_all(STREAM).await.unwrap();
    body(first.await.unwrap().unwrap()).await.unwrap();
    let taken = timeout(BOUND, take(&mut connection)).await;
    taken.expect("it is taken when it has rested");
    connection.write_all(ANSWER).await.unwrap();
    body(call.await.unwrap().unwrap()).await.unwrap();
}

/// The one that was told may go away: the next is told then.
#[tokio::test]
async fn a_call_takes_a_rested_connection_that_another_was_told_of() {
    let (listener, url) = listen().await;
    let (once, second) = once();
    let client = HttpClient::with_connector(once, HttpConfig::default()).unwrap();
    let first = tokio::spawn(client.clone().oneshot(ask(&url)));
    let (mut connection, _) = listener.accept().await.unwrap();
    take(&mut connection).await;
    let told = tokio::spawn(client.clone().oneshot(ask(&url)));
    second.notified().await;
    let next = tokio::spawn(client.clone().oneshot(ask(&url)));
    second.notified().await;
    connection.write_all(STREAM).await.unwrap();
    let response = first.await.unwrap().unwrap();
    // However long this takes here, it is a moment.
    tokio::time::pause();
    body(response).await.unwrap();
    settle().await;
    told.abort();
    settle().await;
    let taken = timeout(BOUND, take(&mut connection)).await;
    taken.expect("the next one takes it");
    connection.write_all(ANSWER).await.unwrap();
    body(next.await.unwrap().unwrap()).await.unwrap();
}

/// It serves each connection to its end before it accepts the next, so that a call on a second one would wait for ever.
#[tokio::test]
async fn a_server_of_one_connection_at_a_time_sends_stream_after_stream() {
    let (listener, url) = listen().await;
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut byte = [0];
            while connection.peek(&mut byte).await.is_ok_and(|read| read > 0) {
                take(&mut connection).await;
                connection.write_all(STREAM).await.unwrap();
            }
        }
    });
    let client = http_client();
    for call in 0..5 {
        let response = timeout(BOUND, client.clone().oneshot(ask(&url))).await;
        let response = response.unwrap_or_else(|_| panic!("call {call} is not answered"));
        assert_eq!(body(response.unwrap()).await.unwrap(), "ok");
    }
}

/// Some servers close after each stream, and do not say so before: the next call waits until that is seen.
#[tokio::test]
async fn a_server_that_closes_after_each_stream_is_called_over_new_connections() {
    let (listener, url) = listen().await;
    let client = http_client();
    let mut call = tokio::spawn(client.clone().oneshot(ask(&url)));
    for _ in 0..5 {
        let accepted = timeout(BOUND, listener.accept()).await;
        let (mut connection, _) = accepted.expect("the call is not missed").unwrap();
        take(&mut connection).await;
        connection.write_all(STREAM).await.unwrap();
        let response = call.await.unwrap().unwrap();
        // However long this takes here, it is a moment.
        tokio::time::pause();
        assert_eq!(body(response).await.unwrap(), "ok");
        call = tokio::spawn(client.clone().oneshot(ask(&url)));
        settle().await;
        drop(connection);
        settle().await;
        tokio::time::resume();
    }
    call.abort();
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
