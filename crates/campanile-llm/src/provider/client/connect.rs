//! Calls that find no idle connection.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use campanile::BoxError;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection as Connects;
use tokio::time::{Sleep, sleep_until, timeout};
use tower_service::Service;

use super::{
    HttpBody, HttpError,
    h1::{Connection, Exchange, Io},
    h2::{self, Failed, Place},
    origin::Origin,
};

/// How often a call is made anew that connections of HTTP/2 give back unsent, as they end.
const MOST_UNSENT: usize = 3;

/// A connection, by what is spoken over it.
pub(super) enum Connected {
    H1(Connection),
    H2(Place),
}

/// A connection that is being made: of a type that cannot be written down.
pub(super) type Making = Pin<Box<dyn Future<Output = Result<Connected, HttpError>> + Send>>;

/// What makes connections to an origin.
pub(super) type Maker = Box<dyn Fn(Arc<Origin>) -> Making + Send + Sync>;

/// Makes connections to this address.
pub(super) fn maker<C>(connector: C, address: Uri) -> Maker
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Read + Write + Connects + Send + Unpin + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    Box::new(move |origin| Box::pin(make(connector.clone(), origin, address.clone())))
}

/// Whoever waits for an idle connection while it makes one.
struct Waiting {
    origin: Arc<Origin>,
    ticket: u64,
}

/// Makes a call over a connection that is there or made for it.
pub(super) async fn call(
    origin: Arc<Origin>,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<HttpBody>, HttpError> {
    for unsent in 0.. {
        let place = match connected(&origin).await? {
            Connected::H1(connection) => return Exchange::new(connection, request).await,
            Connected::H2(place) => place,
        };
        match h2::call(place, request).await {
            Ok(response) => return Ok(response),
            Err(Failed::Sent(error)) => return Err(error),
            Err(Failed::Unsent(_)) if unsent == MOST_UNSENT => break,
            Err(Failed::Unsent(again)) => request = *again,
        }
    }
    Err(HttpError::Closed)
}

/// A connection that is there, or that is made.
async fn connected(origin: &Arc<Origin>) -> Result<Connected, HttpError> {
    loop {
        if let Some(place) = origin.http2() {
            return Ok(Connected::H2(place));
        }
        if !origin.speaks_http2() {
            return idle_or_made(origin, origin.make()).await;
        }
        // One at a time: whoever makes a connection makes it for all who wait here, as far as it has room, and fails for all of them.
        let failures = origin.failures();
        let _turn = origin.turn.lock().await;
        if let Some(place) = origin.http2() {
            return Ok(Connected::H2(place));
        }
        if origin.failures() != failures {
            let what = "the connection could not be made that it waited for";
            return Err(HttpError::Connect(what.into()));
        }
        if origin.speaks_http2() {
            let made = origin.make().await;
            if made.is_err() {
                origin.has_failed();
            }
            return made;
        }
    }
}

/// Makes a connection, in the time that there is for it.
async fn make<C>(connector: C, origin: Arc<Origin>, uri: Uri) -> Result<Connected, HttpError>
where
    C: Service<Uri>,
    C::Response: Read + Write + Connects + Send + Unpin + 'static,
    C::Error: Into<BoxError>,
{
    let most = origin.config.connect_timeout;
    match timeout(most, make_ever(connector, origin, uri)).await {
        Ok(made) => made,
        Err(late) => Err(HttpError::Connect(late.into())),
    }
}

async fn make_ever<C>(
    mut connector: C,
    origin: Arc<Origin>,
    uri: Uri,
) -> Result<Connected, HttpError>
where
    C: Service<Uri>,
    C::Response: Read + Write + Connects + Send + Unpin + 'static,
    C::Error: Into<BoxError>,
{
    let failed = |error: C::Error| HttpError::Connect(error.into());
    poll_fn(|cx| connector.poll_ready(cx))
        .await
        .map_err(failed)?;
    let io = connector.call(uri).await.map_err(failed)?;
    let connected = io.connected();
    let io: Box<dyn Io> = Box::new(io);
    if origin.config.http2_only || connected.is_negotiated_h2() {
        let shared = h2::handshake(io, &origin.config).await?;
        let full = || HttpError::Connect("the connection has no room for a call".into());
        return origin.put_http2(shared).map(Connected::H2).ok_or_else(full);
    }
    origin.speaks_http1();
    let proxied = connected.is_proxied();
    Ok(Connected::H1(Connection::new(io, proxied, origin)))
}

/// The connection that is made, or one that becomes idle before, once it has rested. Then what was begun is finished for another call.
async fn idle_or_made(origin: &Arc<Origin>, making: Making) -> Result<Connected, HttpError> {
    let (mut making, mut begun) = (Some(making), false);
    let mut waiting = Waiting {
        origin: Arc::clone(origin),
        ticket: 0,
    };
    let mut rest: Option<Pin<Box<Sleep>>> = None;
    let idle = poll_fn(|cx: &mut Context<'_>| {
        waiting.origin.wait(&mut waiting.ticket, cx.waker());
        loop {
            if let Some(idle) = origin.idle() {
                return Poll::Ready(Ok(Connected::H1(idle)));
            }
            let Some(rested) = origin.rested() else {
                break;
            };
            if rest.as_ref().is_none_or(|it| it.deadline() != rested) {
                rest = Some(Box::pin(sleep_until(rested)));
            }
            if rest
                .as_mut()
                .is_some_and(|it| it.as_mut().poll(cx).is_pending())
            {
                // A moment is not worth a connection, and a server of one connection at a time would never get to the second.
                if !begun && !origin.closes() {
                    return Poll::Pending;
                }
                break;
            }
        }
        let Some(future) = &mut making else {
            return Poll::Pending;
        };
        begun = true;
        let made = future.as_mut().poll(cx);
        if made.is_ready() {
            making = None;
        }
        made
    });
    let connected = idle.await;
    drop(waiting);
    if let Some(making) = making.filter(|_| begun) {
        tokio::spawn(async move {
            if let Ok(Connected::H1(connection)) = making.await {
                connection.release();
            }
        });
    }
    connected
}

// ===== impl Waiting =====

impl Drop for Waiting {
    fn drop(&mut self) {
        self.origin.unwait(self.ticket);
    }
}
