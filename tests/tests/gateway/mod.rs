//! What the tests of the gateway share: one that runs, and callers of it.
#![allow(dead_code, reason = "each test takes a part of it")]

pub(crate) mod load;

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use campanile_gateway::{Gateway, Server, Stopped, config};
use campanile_llm::dialect::Dialect;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{sync::oneshot, task::JoinHandle};

/// How long anything may take.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// A gateway that runs, and a caller of it.
pub(crate) struct Site {
    pub(crate) gateway: Gateway,
    pub(crate) url: String,
    client: Client<HttpConnector, Full<Bytes>>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<io::Result<Stopped>>,
}

/// An answer, as far as it came.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether HTTP says that this is all of it.
    pub(crate) complete: bool,
}

/// The settings in a file of this text.
pub(crate) fn settings(yaml: &str) -> config::Config {
    let loaded = config::load(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    loaded.config
}

/// What a caller of this dialect asks of a model: path and body.
pub(crate) fn question(dialect: Dialect, model: &str, streamed: bool) -> (&'static str, Bytes) {
    let mut body = serde_json::json!({
        "model": model,
        "max_tokens": 100,
        "stream": streamed,
        "messages": [{"role": "user", "content": "What is the weather in Rome and Oslo?"}],
    });
    let path = match dialect {
        Dialect::Anthropic => "/v1/messages",
        _ => {
            if streamed {
                body["stream_options"] = serde_json::json!({"include_usage": true});
            }
            "/v1/chat/completions"
        }
    };
    (path, body.to_string().into())
}

// ===== impl Site =====

impl Site {
    /// Starts one with these settings, wherever they say that it listens.
    pub(crate) async fn start(yaml: &str) -> Self {
        let gateway = Gateway::new(settings(&format!("listen: 127.0.0.1:0\n{yaml}"))).unwrap();
        let server = Server::bind(gateway.clone()).await.unwrap();
        let url = format!("http://{}", server.address().unwrap());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            gateway,
            url,
            client: Client::builder(TokioExecutor::new()).build(connector),
            stop,
            running,
        }
    }

    /// The part behind `http://`.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Asks as this dialect does, and takes all of the answer.
    pub(crate) async fn ask(&self, dialect: Dialect, model: &str, streamed: bool) -> Answered {
        let (path, body) = question(dialect, model, streamed);
        self.send("POST", path, body).await
    }

    /// Sends a request, and takes all of the answer.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Bytes) -> Answered {
        let call = self.client.request(self.request(method, path, body));
        let all = async {
            let (head, mut body) = call.await.unwrap().into_parts();
            let mut taken = BytesMut::new();
            let mut complete = true;
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => taken.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
                    Err(_) => complete = false,
                }
            }
            Answered {
                status: head.status,
                headers: head.headers,
                body: taken.freeze(),
                complete,
            }
        };
        tokio::time::timeout(BOUND, all)
            .await
            .expect("took too long")
    }

    /// A caller of its own, for a task.
    pub(crate) fn client(&self) -> Client<HttpConnector, Full<Bytes>> {
        self.client.clone()
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: Bytes) -> Request<Full<Bytes>> {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .header("anthropic-version", "2023-06-01")
            .body(Full::new(body))
            .unwrap()
    }

    /// Stops it, and says how.
    pub(crate) async fn stop(self) -> Stopped {
        let _ = self.stop.send(());
        let stopped = tokio::time::timeout(BOUND, self.running).await;
        stopped.expect("it stops").unwrap().unwrap()
    }
}

// ===== impl Answered =====

impl Answered {
    /// A header, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
