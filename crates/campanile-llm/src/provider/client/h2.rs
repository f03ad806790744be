//! Calls over HTTP/2, by hyper.

use bytes::Bytes;
use http::{Request, Response, Uri, Version, header::CONTENT_LENGTH};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::{HttpConfig, HttpError, h1::Io};

/// Calls over one connection.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// Why a call has no answer.
pub(super) enum Failed {
    /// It was not sent.
    Unsent(Box<Request<Full<Bytes>>>),
    /// It was, or may have been.
    Sent(HttpError),
}

/// Begins a connection, and has a task of its own drive it.
pub(super) async fn handshake(io: Box<dyn Io>, config: &HttpConfig) -> Result<Sender, HttpError> {
    let (sender, connection) = Builder::new(TokioExecutor::new())
        .initial_stream_window_size(config.buffer)
        // Room for many streams that are not read, so that they do not hold the others up.
        .initial_connection_window_size(config.buffer.saturating_mul(256).min(1 << 30))
        // Calls that nobody answers do not end a connection that is dead: the next would be made on it too.
        .timer(TokioTimer::new())
        .keep_alive_interval(config.keepalive)
        .keep_alive_timeout(config.keepalive)
        .handshake(io)
        .await
        .map_err(HttpError::Http2)?;
    // It ends with its last sender and call; each of them is told of its errors.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection of HTTP/2 broke");
        }
    });
    Ok(sender)
}

/// Makes a call.
pub(super) async fn call(
    sender: &mut Sender,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Failed> {
    *request.version_mut() = Version::HTTP_2;
    // As over HTTP/1, the length of the body is the client's own matter, and a user in the address nobody's.
    request.headers_mut().remove(CONTENT_LENGTH);
    without_user(request.uri_mut());
    if sender.ready().await.is_err() {
        return Err(Failed::Unsent(Box::new(request)));
    }
    sender
        .try_send_request(request)
        .await
        .map_err(|mut error| match error.take_message() {
            Some(request) => Failed::Unsent(Box::new(request)),
            None => Failed::Sent(HttpError::Http2(error.into_error())),
        })
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
