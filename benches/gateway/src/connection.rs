use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::clock;

/// A connection to a gateway, or to the upstream itself.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    uri: Uri,
    body: Bytes,
}

/// A stream that is read.
pub(crate) struct Tokens {
    body: Incoming,
    rest: Vec<u8>,
    ended: bool,
}

// ===== impl Connection =====

impl Connection {
    /// To where this address says, for streams of so many tokens, so far apart.
    pub(crate) async fn open(url: &str, tokens: u32, pace_us: u64) -> anyhow::Result<Self> {
        let uri: Uri = format!("{}/v1/chat/completions", url.trim_end_matches('/')).parse()?;
        let host = uri.authority().context("the address has no host")?;
        let socket = TcpStream::connect(host.as_str()).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(16 << 10)
            .handshake(TokioIo::new(socket))
            .await?;
        tokio::spawn(async move {
            // What it fails with its requests fail with too.
            let _ = connection.await;
        });
        let body = format!(
            r#"{{"model":"tokens-{tokens}-pace-{pace_us}","stream":true,"stream_options":{{"include_usage":true}},"messages":[{{"role":"user","content":"Count."}}]}}"#
        );
        Ok(Self {
            sender,
            uri,
            body: Bytes::from(body),
        })
    }

    /// Asks for one more stream.
    pub(crate) async fn ask(&mut self) -> anyhow::Result<Tokens> {
        self.sender.ready().await?;
        let host = self.uri.authority().map_or("", |host| host.as_str());
        let request = Request::post(self.uri.path())
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, "Bearer sk-load")
            .body(Full::new(self.body.clone()))?;
        let response = self.sender.send_request(request).await?;
        if !response.status().is_success() {
            bail!("status {}", response.status());
        }
        Ok(Tokens {
            body: response.into_body(),
            rest: Vec::new(),
            ended: false,
        })
    }
}

// ===== impl Tokens =====

impl Tokens {
    /// How many nanoseconds each of the next tokens was on its way; none at the end, which must be proved.
    pub(crate) async fn next(&mut self, ways: &mut Vec<u64>) -> anyhow::Result<bool> {
        ways.clear();
        while ways.is_empty() {
            let Some(frame) = self.body.frame().await else {
                if !self.ended {
                    bail!("the stream was cut");
                }
                return Ok(false);
            };
            let now = clock();
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            self.rest.extend_from_slice(&data);
            let mut read = 0;
            while let Some(length) = find(&self.rest[read..], b"\n\n") {
                let event = &self.rest[read..read + length];
                if let Some(at) = find(event, b"\"at ") {
                    let digits = event[at + 4..]
                        .iter()
                        .take_while(|byte| byte.is_ascii_digit());
                    let sent = digits.fold(0_u64, |sum, byte| sum * 10 + u64::from(byte - b'0'));
                    ways.push(now.saturating_sub(sent));
                }
                self.ended |= find(event, b"[DONE]").is_some();
                read += length + 2;
            }
            self.rest.drain(..read);
        }
        Ok(true)
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
