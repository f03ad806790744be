//! What operators see and do, through the whole gateway.

use std::{
    io,
    sync::{Arc, Mutex},
};

use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{Gateway, config, serve};

mod admin;
mod secrets;
mod seen;

/// Two simulated members in one pool, and a key of a tenant with a budget.
const SETTINGS: &str = r#"
providers:
  one: { simulated: { first_word: 10ms, words_per_second: 1000 } }
  two: { simulated: { first_word: 10ms, words_per_second: 1000 } }
pools:
  main: { members: [one, two] }
stages:
  chat: { pool: main }
default_stage: chat
keys:
  app: { secret: caller-secret, tenant: acme, limits: { requests_per_minute: 100, concurrent: 5 }, budgets: [{ unit: money, limit: "5", period: month }] }
"#;

const TOKEN: &str = "\nadmin: { token: operator-secret }\n";

/// A gateway with these settings.
pub(crate) fn gateway(settings: &str) -> Gateway {
    let loaded = config::load(settings).unwrap_or_else(|error| panic!("{error}"));
    Gateway::new(loaded.config).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) async fn send(gateway: &Gateway, request: Request<Body>) -> Response<Body> {
    serve::routes(gateway.clone())
        .oneshot(request)
        .await
        .unwrap()
}

pub(crate) async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// A chat of the key `app`.
pub(crate) fn chat() -> http::request::Builder {
    Request::post("/v1/chat/completions")
        .header("authorization", "Bearer caller-secret")
        .header("content-type", "application/json")
}

pub(crate) fn message(stream: bool) -> Body {
    let message = json!({
        "model": "chat",
        "stream": stream,
        "messages": [{"role": "user", "content": "Hello there"}],
    });
    Body::from(message.to_string())
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn as_operator(method: &str, path: &str, body: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", "Bearer operator-secret")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// The status and the JSON of what is answered.
async fn answer(gateway: &Gateway, request: Request<Body>) -> (StatusCode, Value) {
    let response = send(gateway, request).await;
    let status = response.status();
    let text = text(response).await;
    let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (status, value)
}

/// Takes down what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// Everything that is logged in this thread, until the guard is dropped.
    fn take_down(&self) -> tracing::subscriber::DefaultGuard {
        let lines = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || lines.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
