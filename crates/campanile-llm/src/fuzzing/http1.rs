use std::{
    collections::VecDeque,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use campanile::BoxError;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::runtime::{Builder, Runtime};
use tower_service::Service;

use super::split;
use crate::provider::{HttpClient, HttpConfig};

/// Makes connections whose other side says this, in these pieces, and closes.
#[derive(Debug, Clone)]
struct Says(VecDeque<Bytes>);

/// Answers over HTTP/1 are the same, however they come.
///
/// # Panics
///
/// When they are not.
pub fn http1(input: &[u8]) {
    let (chunk, answer) = split(input);
    assert_eq!(called(answer, answer.len().max(1)), called(answer, chunk));
}

/// The status and the body, if both are whole.
fn called(answer: &[u8], chunk: usize) -> Option<(u16, Bytes)> {
    // The time for a connection is limited, though none is waited for.
    let runtime = Builder::new_current_thread().enable_time().build().ok();
    let _entered = runtime.as_ref().map(Runtime::enter);
    let pieces = answer.chunks(chunk).map(Bytes::copy_from_slice);
    let config = HttpConfig::default();
    let mut client = HttpClient::with_connector(Says(pieces.collect()), config).ok()?;
    let request = Request::get("http://localhost/").body(Full::default());
    let mut call = pin!(async {
        let response = client.call(request.ok()?).await.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?;
        Some((status, body.to_bytes()))
    });
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits although all is there"),
    }
}

// ===== impl Says =====

impl Service<Uri> for Says {
    type Response = Self;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Self, BoxError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _address: Uri) -> Self::Future {
        std::future::ready(Ok(self.clone()))
    }
}

impl Connection for Says {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Says {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(buffer.remaining()));
            buffer.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Says {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
