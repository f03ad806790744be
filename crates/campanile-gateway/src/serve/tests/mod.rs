//! Connections over pipes in memory, on paused time, to a gateway whose providers are simulated.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Instant,
};

use super::{Audience, calls::Served, listen::serve, stop::Phase};
use crate::{config, gateway::Gateway};

mod answers;
mod bodies;
mod callers;
mod clients;
mod cost;
mod heads;
mod operators;
mod page;
mod priority;
mod stops;

const SECOND: Duration = Duration::from_secs(1);

/// A provider that answers at once.
const AT_ONCE: &str = "providers: { sim: { simulated: { first_word: 0, words_per_second: 1000000 }, models: { small: null, large: null } } }\n";

/// A gateway of these settings.
fn gateway(settings: &str) -> Gateway {
    let loaded = config::load(settings).unwrap_or_else(|error| panic!("{error}"));
    Gateway::new(loaded.config).unwrap()
}

/// What connections to a gateway share.
fn served(gateway: &Gateway) -> Arc<Served> {
    Arc::new(Served::new(gateway.clone(), Audience::Everybody))
}

/// How many calls are under way at providers.
fn in_flight(gateway: &Gateway) -> u32 {
    let live = gateway.live();
    let members = live.pools.values().flat_map(|pool| pool.members());
    members.map(|member| member.endpoint.in_flight()).sum()
}

/// A client's end of a connection.
struct Client {
    pipe: DuplexStream,
    /// What was read and is not looked at.
    rest: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Client {
    /// Connects by a pipe that holds so many bytes in each direction.
    fn with_pipe(served: &Arc<Served>, bytes: usize) -> Self {
        let (pipe, server) = tokio::io::duplex(bytes);
        tokio::spawn(serve(served, server, None));
        Self {
            pipe,
            rest: Vec::new(),
        }
    }

    fn new(served: &Arc<Served>) -> Self {
        Self::with_pipe(served, 64 << 10)
    }

    async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.pipe.write_all(text.as_ref()).await.unwrap();
    }

    /// Sends a request with a body of JSON.
    async fn post(&mut self, path: &str, headers: &str, body: &Value) {
        self.send(request(path, headers, &body.to_string())).await;
    }

    /// Sends a request and reads its answer.
    async fn ask(&mut self, path: &str, headers: &str, body: &Value) -> Answer {
        self.post(path, headers, body).await;
        self.answer().await
    }

    async fn get(&mut self, path: &str, headers: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n"))
            .await;
        self.answer().await
    }

    /// Reads more; false at the end.
    async fn more(&mut self) -> bool {
        let read = self.pipe.read_buf(&mut self.rest).await;
        read.is_ok_and(|bytes| bytes > 0)
    }

    /// Reads up to a text, and takes it.
    async fn until(&mut self, end: &str) -> String {
        loop {
            let at = self
                .rest
                .windows(end.len())
                .position(|text| text == end.as_bytes());
            if let Some(at) = at {
                let taken: Vec<u8> = self.rest.drain(..at + end.len()).collect();
                return String::from_utf8(taken).unwrap();
            }
            let so_far = String::from_utf8_lossy(&self.rest).into_owned();
            assert!(self.more().await, "it ends without {end:?}: {so_far:?}");
        }
    }

    /// Reads an answer.
    async fn answer(&mut self) -> Answer {
        let head = self.until("\r\n\r\n").await.to_ascii_lowercase();
        let status = head[9..12].parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = String::new();
        if let Some(length) = length {
            let length: usize = length.parse().unwrap();
            while self.rest.len() < length {
                assert!(self.more().await, "the body is short: {head}");
            }
            body = String::from_utf8(self.rest.drain(..length).collect()).unwrap();
        } else if head.contains("transfer-encoding: chunked") {
            loop {
                let size = self.until("\r\n").await;
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                while self.rest.len() < size + 2 {
                    assert!(self.more().await, "a chunk is short: {body}");
                }
                let chunk: Vec<u8> = self.rest.drain(..size + 2).collect();
                body.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
                if size == 0 {
                    break;
                }
            }
        }
        Answer { status, head, body }
    }

    /// Whether nothing more comes, and the other end is closed.
    async fn is_closed(&mut self) -> bool {
        self.rest.is_empty() && !self.more().await
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header's value.
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap().to_owned()
    }
}

fn request(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

/// A chat of one turn.
fn chat() -> Value {
    json!({ "model": "small", "messages": [{ "role": "user", "content": "Hi." }], "max_tokens": 20 })
}

/// The same, answered as it is written.
fn streamed() -> Value {
    let mut chat = chat();
    chat["stream"] = true.into();
    chat
}
