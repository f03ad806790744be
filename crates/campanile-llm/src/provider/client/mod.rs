//! An HTTP client: a call over HTTP/1 drives its connection itself, in the task of whoever waits for it.
//!
//! Why not the client of hyper-util: there each connection has a task of its own, to which requests, heads and data of bodies are
//! handed over channels. One hand-over of a token costs two wake-ups, and what a connection holds while a stream is open is several
//! times what the call needs. Here nothing is held between two reads but the state of the framing. HTTP/2 stays with hyper, where
//! many calls share a connection, which must have a task.
//!
//! **State.** Of each origin (scheme and authority): the idle connections, the last used on top; those of HTTP/2, with the number of
//! their calls; whether connections are kept after streams.
//!
//! **Readiness.** Always: a call that finds no idle connection makes one, and takes one that becomes idle in the meantime. After a
//! stream a connection rests for 10 ms, unless the server is known to keep connections after streams; unless it is known to close
//! them, a call waits until one has rested rather than make another. Over HTTP/2 a connection has as many calls at once as the server
//! allows; the next are made on another, and one call makes it for all that wait for it.
//!
//! **Cancellation.** A call or a body that is dropped closes its connection, or resets its stream of HTTP/2; see [`HttpBody`].
//!
//! **Sharing.** Clones share all of it.
//!
//! **Errors.** [`HttpError`]. What may have been sent is never sent a second time: a call is made anew only if nothing of it was
//! written, as a connection of HTTP/2 has given it back, or one of HTTP/1 was closed before it began. Servers close idle connections
//! unannounced, so that a call and a close can miss each other: that is [`HttpError::Closed`], which a retry layer counts.

mod body;
mod config;
mod connect;
mod error;
mod future;
mod h1;
mod h2;
mod origin;
mod roots;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use campanile::{BoxError, config::Invalid};
use http::{
    Method, Request, Response, Uri,
    uri::{Authority, Scheme},
};
use http_body_util::Full;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use tower_service::Service;

pub use self::{body::HttpBody, config::HttpConfig, error::HttpError, future::HttpFuture};
use self::{origin::Origin, roots::roots};

/// How connections are made.
#[cfg(feature = "tls")]
pub type DefaultConnector = hyper_rustls::HttpsConnector<HttpConnector>;
/// How connections are made.
#[cfg(not(feature = "tls"))]
pub type DefaultConnector = HttpConnector;

#[cfg(feature = "tls")]
type Roots = rustls::RootCertStore;
#[cfg(not(feature = "tls"))]
type Roots = ();

/// An HTTP client for providers, with a pool of connections, over HTTP/1 and, by hyper, HTTP/2. With the feature `tls` also over
/// TLS, by rustls with aws-lc-rs, Mozilla's root certificates and those of one's [own](HttpConfig::root_certificates). Clones share
/// the pool.
///
/// Over HTTP/1 a connection is driven by the call that uses it, so an answer that nobody polls holds its server back, and no more of
/// it is held than came with its head (and what rustls holds of a connection). What is `http2_only`, or negotiated by TLS, is HTTP/2:
/// calls share connections, of which there are as many as the calls under way need by what the server allows at once on each. How
/// many calls there are at once is not limited here, but by `ConcurrencyLimitLayer`.
pub struct HttpClient<C = DefaultConnector> {
    pool: Arc<Pool<C>>,
    /// The one that was called last, which is mostly the one that is called next.
    last: Option<Arc<Origin>>,
}

struct Pool<C> {
    connector: C,
    config: HttpConfig,
    origins: Mutex<HashMap<(Scheme, Authority), Arc<Origin>>>,
}

/// An HTTP client with the default settings.
#[must_use]
pub fn http_client() -> HttpClient {
    let Ok(client) = HttpClient::over(HttpConfig::default()) else {
        unreachable!("there is no file to be read");
    };
    client
}

// ===== impl HttpClient =====

impl HttpClient {
    /// A client with these settings.
    ///
    /// # Errors
    ///
    /// As [`HttpConfig::build`].
    pub fn new(config: HttpConfig) -> Result<Self, Invalid> {
        Self::over(config.build()?)
    }

    /// The settings are checked.
    fn over(config: HttpConfig) -> Result<Self, Invalid> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(config.connect_timeout));
        tcp.set_keepalive(Some(config.keepalive));
        #[cfg(feature = "tls")]
        tcp.enforce_http(false);
        let connector = secured(tcp, roots(&config.root_certificates)?);
        Ok(Self::pooled(connector, config))
    }
}

#[cfg(not(feature = "tls"))]
const fn secured(tcp: HttpConnector, (): Roots) -> DefaultConnector {
    tcp
}

/// With a provider of cryptography of its own: none is installed for the process.
#[cfg(feature = "tls")]
fn secured(tcp: HttpConnector, roots: Roots) -> DefaultConnector {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let tls = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs knows the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp)
}

impl<C> HttpClient<C> {
    /// A client whose connections are made by a connector of one's own: other roots alone, a certificate of the client's, a
    /// proxy, a Unix socket. What the settings say of TCP and of certificates is then the connector's matter. Of what its connections
    /// say of themselves, whether they are proxied and whether HTTP/2 was negotiated is looked at.
    ///
    /// # Errors
    ///
    /// As [`HttpConfig::build`].
    pub fn with_connector(connector: C, config: HttpConfig) -> Result<Self, Invalid> {
        Ok(Self::pooled(connector, config.build()?))
    }

    fn pooled(connector: C, config: HttpConfig) -> Self {
        Self {
            pool: Arc::new(Pool {
                connector,
                config,
                origins: Mutex::default(),
            }),
            last: None,
        }
    }
}

impl<C> HttpClient<C>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Read + Write + Connection + Send + Unpin + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    /// Where this address leads.
    fn origin(&mut self, uri: &Uri) -> Result<Arc<Origin>, HttpError> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(HttpError::Address);
        };
        if let Some(last) = &self.last
            && last.scheme == *scheme
            && last.authority == *authority
        {
            return Ok(Arc::clone(last));
        }
        let origin = self.pool.origin(scheme, authority)?;
        self.last = Some(Arc::clone(&origin));
        Ok(origin)
    }
}

impl<C> Service<Request<Full<Bytes>>> for HttpClient<C>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Read + Write + Connection + Send + Unpin + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = Response<HttpBody>;
    type Error = HttpError;
    type Future = HttpFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), HttpError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> HttpFuture {
        if *request.method() == Method::CONNECT {
            return HttpFuture::failed(HttpError::Unsupported("open a tunnel"));
        }
        let origin = match self.origin(request.uri()) {
            Ok(origin) => origin,
            Err(error) => return HttpFuture::failed(error),
        };
        match origin.idle() {
            Some(connection) => HttpFuture::idle(connection, request),
            None => HttpFuture::connecting(connect::call(origin, request)),
        }
    }
}

impl<C> Clone for HttpClient<C> {
    fn clone(&self) -> Self {
        Self {
            pool: Arc::clone(&self.pool),
            last: self.last.clone(),
        }
    }
}

impl<C> fmt::Debug for HttpClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

// ===== impl Pool =====

impl<C> Pool<C>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Read + Write + Connection + Send + Unpin + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    fn origin(&self, scheme: &Scheme, authority: &Authority) -> Result<Arc<Origin>, HttpError> {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (scheme.clone(), authority.clone());
        if let Some(origin) = origins.get(&key) {
            return Ok(Arc::clone(origin));
        }
        // Each time that they are twice as many, those are forgotten that nobody uses.
        if origins.len().is_power_of_two() {
            origins.retain(|_, origin| Arc::strong_count(origin) > 1 || !origin.is_empty());
        }
        let address = Uri::builder()
            .scheme(scheme.clone())
            .authority(authority.clone())
            .path_and_query("/");
        let address = address.build().map_err(|_| HttpError::Address)?;
        let maker = connect::maker(self.connector.clone(), address);
        let origin = Arc::new(Origin::new(scheme, authority, &self.config, maker));
        origins.insert(key, Arc::clone(&origin));
        Ok(origin)
    }
}
