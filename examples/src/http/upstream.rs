use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use axum::body::{Body, Bytes};
use futures_util::stream;
use http::{Request, Response};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle, task::JoinSet};

/// An HTTP server on loopback that answers in pieces, and that can be killed with all its connections and started
/// again on the same port.
///
/// An answer is `pieces` lines, `name 1/8` to `name 8/8`, `gap` apart, without a declared length: only the end of the
/// chunked encoding tells a whole answer from a cut one.
#[derive(Debug)]
pub struct Upstream {
    script: Script,
    address: SocketAddr,
    running: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy)]
struct Script {
    name: &'static str,
    pieces: u32,
    gap: Duration,
}

// ===== impl Upstream =====

impl Upstream {
    /// Starts a server on a free port.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn start(name: &'static str, pieces: u32, gap: Duration) -> anyhow::Result<Self> {
        let mut upstream = Self {
            script: Script { name, pieces, gap },
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            running: None,
        };
        upstream.restart().await?;
        Ok(upstream)
    }

    /// Its name, which each answer bears in `x-upstream`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.script.name
    }

    /// Where it listens, or did before it was killed.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the listener and every connection, in the middle of their answers.
    pub async fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            // Once the task is gone its sockets are closed.
            let _ = running.await;
        }
    }

    /// Listens again, on the same port.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill().await;
        let listener = TcpListener::bind(self.address)
            .await
            .with_context(|| format!("{} cannot listen on {}", self.name(), self.address))?;
        self.address = listener.local_addr()?;
        self.running = Some(tokio::spawn(accept(listener, self.script)));
        Ok(())
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

/// Serves connections until it is aborted, which drops them all.
async fn accept(listener: TcpListener, script: Script) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                // Without it a small piece waits for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                let service = service_fn(move |_: Request<hyper::body::Incoming>| async move {
                    Ok::<_, Infallible>(script.answer())
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
            // Those that ended are forgotten.
            Some(_) = connections.join_next() => {}
        }
    }
}

// ===== impl Script =====

impl Script {
    fn answer(self) -> Response<Body> {
        let Self { name, pieces, gap } = self;
        let lines = stream::unfold(1, move |piece| async move {
            if piece > pieces {
                return None;
            }
            tokio::time::sleep(gap).await;
            let line = Bytes::from(format!("{name} {piece}/{pieces}\n"));
            Some((Ok::<_, io::Error>(line), piece + 1))
        });
        let mut response = Response::new(Body::from_stream(lines));
        response
            .headers_mut()
            .insert("x-upstream", http::HeaderValue::from_static(name));
        response
    }
}
