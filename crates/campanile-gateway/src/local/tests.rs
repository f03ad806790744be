//! On real sockets of the loopback interface, as it looks for servers there.

use std::net::Ipv4Addr;

use http::HeaderValue;
use hyper::{Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, time::Instant};

use super::*;

/// A server that answers this at a path.
async fn server(path: &'static str, server: &'static str, body: &'static str) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = service_fn(move |request: Request<hyper::body::Incoming>| async move {
                let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
                let name = HeaderValue::from_static(server);
                response.headers_mut().insert(header::SERVER, name);
                if request.uri().path() != path {
                    *response.status_mut() = StatusCode::NOT_FOUND;
                }
                Ok::<_, BoxError>(response)
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    port
}

fn place(name: &'static str, preset: Preset, port: u16) -> Place {
    Place { name, preset, port }
}

#[tokio::test]
async fn an_ollama_and_a_llama_cpp_are_found_with_their_models() {
    let tags =
        r#"{"models": [{"name": "qwen3:4b", "model": "qwen3:4b", "size": 1}, {"name": "*"}]}"#;
    let list =
        r#"{"object": "list", "data": [{"id": "/m/smol.gguf", "object": "model", "meta": {}}]}"#;
    let ollama = server("/api/tags", "", tags).await;
    let llama = server("/v1/models", "llama.cpp", list).await;
    let found = find_at(&[
        place("ollama", Preset::Ollama, ollama),
        place("llama-cpp", Preset::LlamaCpp, llama),
    ])
    .await;
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["ollama", "llama-cpp"]);
    assert_eq!(found[0].1.models.keys().collect::<Vec<_>>(), ["qwen3:4b"]);
    assert_eq!(found[1].1.models.keys().collect::<Vec<_>>(), ["smol"]);
    assert_eq!(
        found[1].1.models["smol"].as_deref(),
        Some("/m/smol.gguf"),
        "it is asked for by its own name"
    );
    let resolved = found[1].1.resolve("llama-cpp").unwrap();
    assert_eq!(resolved.base_url, format!("http://127.0.0.1:{llama}/v1"));
}

#[tokio::test]
async fn what_is_something_else_is_left_alone() {
    let list = r#"{"object": "list", "data": [{"id": "m", "object": "model"}]}"#;
    let gateway = server("/v1/models", "something", list).await;
    let broken = server("/v1/models", "llama.cpp", "{").await;
    let elsewhere = server("/", "llama.cpp", list).await;
    let empty = server("/api/tags", "", r#"{"models": []}"#).await;
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let nobody = closed.local_addr().unwrap().port();
    drop(closed);
    let places =
        [gateway, broken, elsewhere, nobody].map(|port| place("x", Preset::LlamaCpp, port));
    assert!(find_at(&places).await.is_empty());
    assert!(
        find_at(&[place("x", Preset::Ollama, empty)])
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn who_is_silent_is_waited_for_once_and_not_long() {
    // They accept, as the kernel does it for them, and say nothing.
    let mut held = Vec::new();
    let mut places = Vec::new();
    for _ in 0..5 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        places.push(place(
            "x",
            Preset::LlamaCpp,
            listener.local_addr().unwrap().port(),
        ));
        held.push(listener);
    }
    let begun = Instant::now();
    assert!(find_at(&places).await.is_empty());
    let took = Instant::now().duration_since(begun);
    // All at once: one after the other they would take 1.5 s.
    assert!(took >= PATIENCE && took < 4 * PATIENCE, "{took:?}");
}
