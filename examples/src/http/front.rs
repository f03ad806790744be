use std::{net::SocketAddr, time::Duration};

use axum::{Router, body::Body, response::IntoResponse, serve::ListenerExt};
use campanile::{
    BoxError, Endpoint, Rejection,
    balance::{BalanceLayer, Pick},
    discover::{PerEndpointLayer, Roster},
};
use http::{Request, Response, StatusCode, Uri, uri::Scheme};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

/// hyper-util's client: it keeps connections alive and streams bodies both ways.
pub type Client = legacy::Client<HttpConnector, Body>;

/// A pool of HTTP upstreams with its types erased, which costs one allocation a call.
pub type Pool = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// A client for all upstreams.
#[must_use]
pub fn client() -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(Duration::from_secs(1)));
    legacy::Client::builder(TokioExecutor::new()).build(connector)
}

/// The pool: each member of `roster` is an address, and all share one client.
#[must_use]
pub fn pool<St>(roster: &Roster<SocketAddr>, strategy: St) -> Pool
where
    St: Pick<Request<Body>>,
{
    let client = client();
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::http(strategy))
        .layer(PerEndpointLayer::new(
            move |_: &Endpoint, address: SocketAddr| {
                ServiceBuilder::new()
                    .map_err(BoxError::from)
                    .map_request(move |request| to(address, request))
                    .service(client.clone())
            },
        ))
        .service(roster.changes());
    // The body that leaves the pool carries the call's completion: the call is over when its last byte has gone out.
    BoxCloneSyncService::new(pool.map_response(|response| response.map(Body::new)))
}

/// The request, addressed to an upstream.
#[must_use]
pub fn to(address: SocketAddr, mut request: Request<Body>) -> Request<Body> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = address.to_string().parse().ok();
    // A uri with scheme and authority must have a path; one from a server always has.
    parts.path_and_query = parts.path_and_query.or_else(|| "/".parse().ok());
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    request.headers_mut().remove(http::header::HOST);
    request
}

/// An axum application that passes every request to the pool.
pub fn front(pool: Pool) -> Router {
    Router::new().fallback(
        async move |request: Request<Body>| match pool.oneshot(request).await {
            Ok(response) => response,
            Err(error) => refuse(&*error),
        },
    )
}

/// A pool that refused says when to try again; anything else went wrong upstream.
fn refuse(error: &(dyn std::error::Error + 'static)) -> Response<Body> {
    match Rejection::find(error) {
        Some(rejection) => rejection.to_response(),
        None => (StatusCode::BAD_GATEWAY, format!("{error}\n")).into_response(),
    }
}

/// Serves an application on loopback; on a free port if `port` is 0. The server ends when the handle is aborted.
///
/// # Errors
///
/// When the port cannot be bound.
pub async fn serve(app: Router, port: u16) -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let server = tokio::spawn(async move {
        // Never errs: axum logs what goes wrong with a connection and goes on.
        let _ = axum::serve(listener, app).await;
    });
    Ok((address, server))
}
