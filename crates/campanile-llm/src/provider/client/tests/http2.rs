//! Calls over HTTP/2, served by hyper.

use std::convert::Infallible;

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
