use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tower::ServiceExt;

use super::{Simulated, SimulatedBody};
use crate::config::SimulatedConfig;

mod answers;
mod embeddings;
mod failures;
mod provider;
mod schemas;
mod streams;

/// Exactly as slow as it says.
fn config() -> SimulatedConfig {
    SimulatedConfig {
        spread: 0.0,
        seed: Some(7),
        ..SimulatedConfig::default()
    }
}

fn post(path: &str, body: &Value) -> Request<Full<Bytes>> {
    let request = Request::post(format!("http://simulated{path}"));
    request.body(body.to_string().into()).unwrap()
}

async fn ask(server: &Simulated, body: &Value) -> Response<SimulatedBody> {
    let request = post("/v1/chat/completions", body);
    server.clone().oneshot(request).await.unwrap()
}

async fn read(response: Response<SimulatedBody>) -> Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

async fn answer(server: &Simulated, body: &Value) -> Value {
    read(ask(server, body).await).await
}

fn hi() -> Value {
    json!({ "model": "m", "messages": [{ "role": "user", "content": "Why do bells ring?" }] })
}

fn with(mut body: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}
