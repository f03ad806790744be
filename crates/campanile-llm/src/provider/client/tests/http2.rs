//! Calls over HTTP/2, served by hyper.

use std::{convert::Infallible, sync::mpsc};

use futures_util::stream::{self, StreamExt};
use http_body::Frame;
use http_body_util::{StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioExecutor;
use tokio::sync::Notify;

use super::*;

/// A server of hyper's for HTTP/2, each of whose connections answers so many calls, and then says that it goes.
async fn http2(answers: usize) -> (String, Arc<AtomicUsize>) {
    let (listener, url) = listen().await;
    let connections = Arc::new(AtomicUsize::new(0));
    let made = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            made.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let left = Arc::new(AtomicUsize::new(answers));
                let (enough, done) = (Arc::new(Notify::new()), Arc::clone(&left));
                let tell = Arc::clone(&enough);
                let service = service_fn(move |_: Request<Incoming>| {
                    if done.fetch_sub(1, Ordering::Relaxed) == 1 {
                        tell.notify_one();
                    }
                    async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("ok")))) }
                });
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let serving = server.serve_connection(TokioIo::new(connection), service);
                let mut serving = std::pin::pin!(serving);
                tokio::select! {
                    _ = &mut serving => return,
                    () = enough.notified() => {}
                }
                serving.as_mut().graceful_shutdown();
                let _ = serving.await;
            });
        }
    });
    (url, connections)
}

#[tokio::test]
async fn calls_over_http2_share_a_connection() {
    let (url, connections) = http2(usize::MAX).await;
    let client = HttpClient::new(HttpConfig::default().with_http2_only(true)).unwrap();
    let calls = join_all((0..20).map(|_| client.clone().oneshot(ask(&url))));
    for response in calls.await {
        let response = response.unwrap();
        assert_eq!(response.version(), http::Version::HTTP_2);
        assert_eq!(body(response).await.unwrap(), "ok");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_call_that_a_connection_of_http2_gives_back_is_made_on_another() {
    let (url, connections) = http2(1).await;
    let client = HttpClient::new(HttpConfig::default().with_http2_only(true)).unwrap();
    for _ in 0..10 {
        let response = client.clone().oneshot(ask(&url)).await.unwrap();
        assert_eq!(body(response).await.unwrap(), "ok");
    }
    // Some may take a call more before it goes.
    assert!(connections.load(Ordering::Relaxed) > 3);
}

#[tokio::test]
async fn no_user_of_an_address_is_told_over_http2() {
    let mut uri = "http://me:secret@a.test:81/x?y".parse().unwrap();
    h2::without_user(&mut uri);
    assert_eq!(uri, "http://a.test:81/x?y");
    let (mut asked, before) = (http2(usize::MAX).await.0, HttpConfig::default());
    asked.insert_str("http://".len(), "me:secret@");
    let client = HttpClient::new(before.with_http2_only(true)).unwrap();
    let mut request = ask(&asked);
    // The client knows it better.
    request.headers_mut().insert("content-length", 7.into());
    let response = client.oneshot(request).await.unwrap();
    assert_eq!(body(response).await.unwrap(), "ok");
}

/// What is waited for comes at once, or not at all.
const BOUND: Duration = Duration::from_secs(10);

type Answer = UnsyncBoxBody<Bytes, Infallible>;

/// So many pieces, and never an end. Each is counted.
fn pieces(count: usize, sent: &Arc<AtomicUsize>) -> Answer {
    let sent = Arc::clone(sent);
    let pieces = stream::iter(0..count).map(move |_| {
        sent.fetch_add(1, Ordering::Relaxed);
        Ok(Frame::data(Bytes::from_static(&[b'a'; 100])))
    });
    StreamBody::new(pieces.chain(stream::pending())).boxed_unsync()
}

/// A server of hyper's that allows so many calls at once on a connection, and answers by their paths; the connections it has had.
async fn serving<F>(most: u32, answer: F) -> (String, Arc<AtomicUsize>)
where
    F: Fn(&str) -> Answer + Clone + Send + Sync + 'static,
{
    let (listener, url) = listen().await;
    let connections = Arc::new(AtomicUsize::new(0));
    let made = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            made.fetch_add(1, Ordering::Relaxed);
            connection.set_nodelay(true).unwrap();
            let answer = answer.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let response = Response::new(answer(request.uri().path()));
                async { Ok::<_, Infallible>(response) }
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .max_concurrent_streams(most)
                .serve_connection(TokioIo::new(connection), service);
            tokio::spawn(async move {
                let _ = server.await;
            });
        }
    });
    (url, connections)
}

/// What is asked for by `/held` is never whole.
fn held_or_ok(path: &str) -> Answer {
    match path {
        "/held" => pieces(0, &Arc::default()),
        _ => Full::from("ok").boxed_unsync(),
    }
}

fn client() -> HttpClient {
    HttpClient::new(HttpConfig::default().with_http2_only(true)).unwrap()
}

async fn is_answered(client: &HttpClient, url: &str) {
    let call = client.clone().oneshot(ask(url));
    let response = timeout(BOUND, call).await.expect("it waits for no other");
    assert_eq!(body(response.unwrap()).await.unwrap(), "ok");
}

#[tokio::test]
async fn calls_beyond_what_a_connection_allows_are_made_on_another() {
    let (url, connections) = serving(1, held_or_ok).await;
    let (client, held) = (client(), format!("{url}held"));
    let first = client.clone().oneshot(ask(&held)).await.unwrap();
    for _ in 0..5 {
        is_answered(&client, &url).await;
    }
    assert_eq!(connections.load(Ordering::Relaxed), 2);
    let second = client.clone().oneshot(ask(&held)).await.unwrap();
    is_answered(&client, &url).await;
    assert_eq!(connections.load(Ordering::Relaxed), 3);
    // Both have room again.
    drop((first, second));
    for _ in 0..5 {
        is_answered(&client, &url).await;
    }
    assert_eq!(connections.load(Ordering::Relaxed), 3);
}

/// Also when they come at once, before anything is known of the server.
#[tokio::test]
async fn there_are_as_many_connections_as_the_calls_need() {
    let (url, connections) = serving(4, held_or_ok).await;
    let (client, held) = (client(), format!("{url}held"));
    let calls = join_all((0..20).map(|_| client.clone().oneshot(ask(&held))));
    let responses = timeout(BOUND, calls).await.expect("none waits for another");
    let responses: Vec<_> = responses.into_iter().map(Result::unwrap).collect();
    assert_eq!(responses.len(), 20);
    assert_eq!(connections.load(Ordering::Relaxed), 5);
    is_answered(&client, &url).await;
    assert_eq!(connections.load(Ordering::Relaxed), 6);
}

/// Calls that are given up leave no trace, in whatever state.
#[tokio::test]
async fn a_call_that_is_cancelled_makes_room() {
    let (url, connections) = serving(1, held_or_ok).await;
    let (client, held) = (client(), format!("{url}held"));
    is_answered(&client, &url).await;
    for _ in 0..5 {
        let call = client.clone().oneshot(ask(&held));
        let unpolled = client.clone().oneshot(ask(&held));
        tokio::select! {
            biased;
            _ = call => panic!("the server has had no turn"),
            () = std::future::ready(()) => {}
        }
        drop(unpolled);
        is_answered(&client, &url).await;
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

/// Nor is a connection forgotten whose calls take long.
#[tokio::test]
async fn a_connection_with_calls_is_not_idle() {
    let (url, connections) = serving(2, held_or_ok).await;
    let time = Duration::from_millis(20);
    let config = HttpConfig::default().with_http2_only(true);
    let client = HttpClient::new(config.with_idle_timeout(time)).unwrap();
    let held = client.clone().oneshot(ask(&format!("{url}held"))).await;
    let origins = client.pool.origins.lock().unwrap().clone();
    let pass = || async {
        tokio::time::pause();
        for _ in 0..10 {
            tokio::time::advance(time).await;
            settle().await;
        }
        tokio::time::resume();
    };
    pass().await;
    is_answered(&client, &url).await;
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    drop(held);
    pass().await;
    assert!(origins.values().all(|origin| origin.is_empty()));
}

/// A server that says nothing does not speak HTTP/2.
#[tokio::test]
async fn a_connection_is_not_made_before_the_server_has_spoken() {
    let (listener, url) = listen().await;
    let config = HttpConfig::default().with_connect_timeout(Duration::from_millis(50));
    let client = HttpClient::new(config.with_http2_only(true)).unwrap();
    let call = timeout(BOUND, client.clone().oneshot(ask(&url)));
    let (silent, connection) = tokio::join!(call, listener.accept());
    let error = silent.expect("its time is limited").unwrap_err();
    assert!(matches!(error, HttpError::Connect(_)), "{error:?}");
    drop(connection);
    let call = timeout(BOUND, client.oneshot(ask(&url)));
    let (closed, _) = tokio::join!(call, async { drop(listener.accept().await) });
    let error = closed.expect("its end is seen").unwrap_err();
    assert!(matches!(error, HttpError::Connect(_)), "{error:?}");
}

/// Frames of the size of a token take more to hold than they say, which the library charges to the connection.
#[tokio::test]
async fn streams_that_nobody_reads_leave_their_connection_to_others() {
    const STREAMS: usize = 100;
    const PIECES: usize = 160;
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let answer = move |path: &str| match path {
        "/pieces" => pieces(PIECES, &counted),
        _ => held_or_ok(path),
    };
    let (url, connections) = serving(200, answer).await;
    let (client, asked) = (client(), format!("{url}pieces"));
    let mut unread = Vec::new();
    for _ in 0..STREAMS {
        unread.push(client.clone().oneshot(ask(&asked)).await.unwrap());
    }
    let arrive = async {
        while sent.load(Ordering::Relaxed) < STREAMS * PIECES {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, arrive).await.expect("all of it is sent");
    settle().await;
    is_answered(&client, &url).await;
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    for response in [unread.swap_remove(0), unread.swap_remove(0)] {
        let (mut body, mut read) = (response.into_body(), 0);
        while read < 100 * PIECES {
            let frame = timeout(BOUND, body.frame()).await.expect("it is there");
            let data = frame.unwrap().expect("it is not cut").into_data();
            read += data.unwrap().len();
        }
    }
}

/// What is on its way to calls that were cancelled is no fault of the server's.
#[tokio::test]
async fn many_calls_that_are_cancelled_at_once_leave_their_connection_to_others() {
    const STREAMS: usize = 150;
    const PIECES: usize = 100;
    let sent = Arc::new(AtomicUsize::new(0));
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let (tell, told) = mpsc::channel();
    let (counted, gone) = (Arc::clone(&sent), Arc::clone(&go));
    // On a thread of its own it goes on sending while nobody here reads.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let answer = move |path: &str| match path {
                "/later" => {
                    let (go, counted) = (Arc::clone(&gone), Arc::clone(&counted));
                    let went = async move {
                        go.acquire_owned().await.unwrap().forget();
                        pieces(PIECES, &counted)
                            .into_data_stream()
                            .map(|data| data.map(Frame::data))
                    };
                    StreamBody::new(stream::once(went).flatten()).boxed_unsync()
                }
                _ => held_or_ok(path),
            };
            let (url, connections) = serving(200, answer).await;
            tell.send((url, connections)).unwrap();
            pending::<()>().await;
        });
    });
    let (url, connections) = told.recv().unwrap();
    let (client, asked) = (client(), format!("{url}later"));
    let mut bodies = Vec::new();
    for _ in 0..STREAMS {
        let response = client.clone().oneshot(ask(&asked)).await.unwrap();
        let mut body = response.into_body();
        // Whoever waits for data and goes has cancelled the call.
        let waits = tokio::select! {
            biased;
            _ = body.frame() => false,
            () = std::future::ready(()) => true,
        };
        assert!(waits);
        bodies.push(body);
    }
    go.add_permits(STREAMS);
    while sent.load(Ordering::Relaxed) < STREAMS * PIECES {
        std::thread::yield_now();
    }
    drop(bodies);
    for _ in 0..20 {
        is_answered(&client, &url).await;
        settle().await;
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}
