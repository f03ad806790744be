//! Calls over HTTP/2, by hyper.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, Uri, Version, header::CONTENT_LENGTH};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http2::{Builder, Connection, SendRequest},
    rt::{Read, ReadBufCursor, Write},
};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Notify;

use super::{HttpBody, HttpConfig, HttpError, h1::Io};

/// A connection that many calls share.
pub(super) struct Shared {
    sender: SendRequest<Full<Bytes>>,
    driven: Driven,
    /// Held by each of its calls, to the end of the answer, and here.
    calls: Arc<()>,
}

/// Room for one call on a connection.
pub(super) struct Place {
    sender: SendRequest<Full<Bytes>>,
    call: Arc<()>,
}

/// The body of an answer.
pub(super) struct Body {
    pub(super) incoming: Incoming,
    _call: Arc<()>,
}

/// Why a call has no answer.
pub(super) enum Failed {
    /// It was not sent.
    Unsent(Box<Request<Full<Bytes>>>),
    /// It was, or may have been.
    Sent(HttpError),
}

/// The connection itself, until it ends. It is driven by a task of its own, and lies where others can ask it how many calls the
/// server allows at once: hyper would have more wait, without a limit.
#[derive(Clone)]
struct Driven(Arc<Mutex<Option<Ours>>>);

type Ours = Connection<Heard, Full<Bytes>, TokioExecutor>;

/// Tells whenever it is read from, as long as anybody wants to know.
struct Heard {
    io: Box<dyn Io>,
    reads: Weak<Notify>,
}

/// Begins a connection, and has a task of its own drive it. It is made when the server has said how many calls it allows at once.
pub(super) async fn handshake(io: Box<dyn Io>, config: &HttpConfig) -> Result<Shared, HttpError> {
    let reads = Arc::new(Notify::new());
    let heard = Heard {
        io,
        reads: Arc::downgrade(&reads),
    };
    let (sender, connection) = Builder::new(TokioExecutor::new())
        // None, until the server has said how many. One that sets no limit allows as many as there are numbers.
        .initial_max_send_streams(0_usize)
        .initial_stream_window_size(config.buffer)
        // What is held that nobody reads is bounded for each stream. Together they may be many, and neither hold the others up nor
        // end the connection: the library charges frames as small as a token with more than they hold, up to half of this.
        .initial_connection_window_size(1 << 30)
        // What is still on its way to calls that were cancelled counts against the server, unless they are remembered.
        .max_concurrent_reset_streams(4_096)
        // Calls that nobody answers do not end a connection that is dead: the next would be made on it too.
        .timer(TokioTimer::new())
        .keep_alive_interval(config.keepalive)
        .keep_alive_timeout(config.keepalive)
        .handshake(heard)
        .await
        .map_err(HttpError::Http2)?;
    let driven = Driven(Arc::new(Mutex::new(Some(connection))));
    let (drives, wait) = (driven.clone(), Arc::downgrade(&reads));
    // It ends with its last sender and call; each of them is told of its errors.
    tokio::spawn(async move {
        if let Err(error) = drives.await {
            tracing::debug!(%error, "a connection of HTTP/2 broke");
        }
        if let Some(reads) = wait.upgrade() {
            reads.notify_one();
        }
    });
    // What was read before the last read has been understood by now.
    while driven.most().ok_or_else(ended_early)? == 0 {
        reads.notified().await;
    }
    Ok(Shared {
        sender,
        driven,
        calls: Arc::default(),
    })
}

fn ended_early() -> HttpError {
    HttpError::Connect("the connection ended before HTTP/2 began".into())
}

/// Makes a call.
pub(super) async fn call(
    mut place: Place,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<HttpBody>, Failed> {
    *request.version_mut() = Version::HTTP_2;
    // As over HTTP/1, the length of the body is the client's own matter, and a user in the address nobody's.
    request.headers_mut().remove(CONTENT_LENGTH);
    without_user(request.uri_mut());
    if place.sender.ready().await.is_err() {
        return Err(Failed::Unsent(Box::new(request)));
    }
    match place.sender.try_send_request(request).await {
        Ok(response) => Ok(response.map(|incoming| {
            HttpBody::h2(Body {
                incoming,
                _call: place.call,
            })
        })),
        Err(mut error) => Err(match error.take_message() {
            Some(request) => Failed::Unsent(Box::new(request)),
            None => Failed::Sent(HttpError::Http2(error.into_error())),
        }),
    }
}

pub(super) fn without_user(uri: &mut Uri) {
    let Some((_, host)) = uri.authority().and_then(|it| it.as_str().rsplit_once('@')) else {
        return;
    };
    if let Ok(host) = host.parse() {
        let mut parts = uri.clone().into_parts();
        parts.authority = Some(host);
        if let Ok(without) = Uri::from_parts(parts) {
            *uri = without;
        }
    }
}

// ===== impl Shared =====

impl Shared {
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether no call is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.calls() == 0
    }

    fn calls(&self) -> usize {
        Arc::strong_count(&self.calls) - 1
    }

    /// Room for a call, if there is. Nobody else may ask at the same time.
    pub(super) fn place(&self) -> Option<Place> {
        let most = self.driven.most()?;
        (self.calls() < most).then(|| Place {
            sender: self.sender.clone(),
            call: Arc::clone(&self.calls),
        })
    }
}

// ===== impl Driven =====

impl Driven {
    fn lock(&self) -> MutexGuard<'_, Option<Ours>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls there may be at once. `None` once it has ended.
    fn most(&self) -> Option<usize> {
        let connection = self.lock();
        connection
            .as_ref()
            .map(Connection::current_max_send_streams)
    }
}

impl Future for Driven {
    type Output = hyper::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        let mut connection = self.lock();
        let Some(driven) = connection.as_mut() else {
            return Poll::Ready(Ok(()));
        };
        let polled = Pin::new(driven).poll(cx);
        if polled.is_ready() {
            let ended = connection.take();
            drop(connection);
            drop(ended);
        }
        polled
    }
}

// ===== impl Heard =====

impl Read for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(reads) = self.reads.upgrade() {
            reads.notify_one();
        }
        Pin::new(&mut *self.io).poll_read(cx, buffer)
    }
}

impl Write for Heard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write_vectored(cx, slices)
    }
}
