use std::{
    fmt,
    future::Future,
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use campanile::{
    BoxError,
    config::{Invalid, seconds},
};
use http::{Request, Response};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{
        Client, ResponseFuture,
        connect::{Connect, HttpConnector},
    },
    rt::{TokioExecutor, TokioTimer},
};
use serde::{Deserialize, Serialize};
use tower_service::Service;

use super::{HttpBody, roots::roots};

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

/// How an [`HttpClient`] treats its connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HttpConfig {
    /// How long a TCP connection may take. 10 s by default.
    #[serde(with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub connect_timeout: Duration,
    /// How long an idle connection is kept. 90 s by default.
    #[serde(with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub idle_timeout: Duration,
    /// How many idle connections are kept to one host. 256 by default.
    pub max_idle: usize,
    /// After how long without a word the other side is asked whether it is there: by TCP, and over HTTP/2 by a ping while calls
    /// are under way, which fails them if it is not answered in as long again. 60 s by default.
    #[serde(with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub keepalive: Duration,
    /// How many bytes of an answer that nobody reads are held, on a connection of HTTP/1 or in a stream of HTTP/2; also the
    /// most that the head of an answer may have. 16 KiB by default, 8 KiB at least.
    pub buffer: u32,
    /// Whether HTTP/2 is spoken without asking, as over plain TCP nobody can be asked. It is not by default.
    pub http2_only: bool,
    /// Files of certificates in PEM by which servers may be certified, beside Mozilla's root certificates: those of a company's own
    /// authority. Read when the client is made. None by default; they take the feature `tls`.
    pub root_certificates: Vec<PathBuf>,
}

/// An HTTP client for providers: hyper's, with a pool of connections, over HTTP/1 and HTTP/2. With the feature `tls` also
/// over TLS, by rustls with aws-lc-rs, Mozilla's root certificates and those of one's [own](HttpConfig::root_certificates). Clones
/// share the pool.
pub struct HttpClient<C = DefaultConnector> {
    client: Client<C, Full<Bytes>>,
}

/// The response future of an [`HttpClient`].
#[must_use = "futures do nothing unless polled"]
pub struct HttpFuture {
    future: ResponseFuture,
}

/// An HTTP client with the default settings.
#[must_use]
pub fn http_client() -> HttpClient {
    let config = HttpConfig::default();
    let Ok(roots) = roots(&config.root_certificates) else {
        unreachable!("there is no file to be read");
    };
    HttpClient::over(&config, roots)
}

// ===== impl HttpConfig =====

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(90),
            max_idle: 256,
            keepalive: Duration::from_secs(60),
            buffer: 16 << 10,
            http2_only: false,
            root_certificates: Vec::new(),
        }
    }
}

/// Setters, so that a configuration reads as a sentence.
macro_rules! with {
    ($($name:ident => $field:ident: $type:ty, $doc:literal;)*) => {$(
        #[doc = concat!($doc, " See [`", stringify!($field), "`](Self::", stringify!($field), ").")]
        #[must_use]
        pub const fn $name(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    )*};
}

impl HttpConfig {
    with! {
        with_connect_timeout => connect_timeout: Duration, "Sets how long a connection may take.";
        with_idle_timeout => idle_timeout: Duration, "Sets how long an idle connection is kept.";
        with_max_idle => max_idle: usize, "Sets how many idle connections are kept.";
        with_keepalive => keepalive: Duration, "Sets when TCP asks whether the other side is there.";
        with_buffer => buffer: u32, "Sets how many bytes are held that nobody reads.";
        with_http2_only => http2_only: bool, "Sets whether HTTP/2 is spoken without asking.";
    }

    /// Adds a file of certificates. See [`root_certificates`](Self::root_certificates).
    #[must_use]
    pub fn with_root_certificates(mut self, file: impl Into<PathBuf>) -> Self {
        self.root_certificates.push(file.into());
        self
    }

    /// Checks the settings, and reads the certificates to see that they are there.
    ///
    /// # Errors
    ///
    /// When the buffer is below 8 KiB or above 1 GiB, a time is zero or above a year, or a file has no certificates.
    pub fn build(self) -> Result<Self, Invalid> {
        let bounds = (8 << 10..=1 << 30).contains(&self.buffer);
        let rule = "it must be from 8 KiB to 1 GiB";
        Invalid::unless(bounds, "http", "buffer", &self.buffer, rule)?;
        for (field, time) in [
            ("connect_timeout", self.connect_timeout),
            ("idle_timeout", self.idle_timeout),
            ("keepalive", self.keepalive),
        ] {
            let rule = "it must be above 0, and at most a year";
            let bounds = !time.is_zero() && time <= Duration::from_secs(365 * 86_400);
            Invalid::unless(bounds, "http", field, &time, rule)?;
        }
        roots(&self.root_certificates)?;
        Ok(self)
    }
}

// ===== impl HttpClient =====

impl HttpClient {
    /// A client with these settings.
    ///
    /// # Errors
    ///
    /// As [`HttpConfig::build`].
    pub fn new(config: HttpConfig) -> Result<Self, Invalid> {
        let config = config.build()?;
        Ok(Self::over(&config, roots(&config.root_certificates)?))
    }

    /// The settings are checked.
    fn over(config: &HttpConfig, roots: Roots) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(config.connect_timeout));
        tcp.set_keepalive(Some(config.keepalive));
        #[cfg(feature = "tls")]
        tcp.enforce_http(false);
        Self::pooled(secured(tcp, roots), config)
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

impl<C> HttpClient<C>
where
    C: Connect + Clone,
{
    /// A client whose connections are made by a connector of one's own: other roots alone, a certificate of the client's, a
    /// proxy, a Unix socket. What the settings say of TCP and of certificates is then the connector's matter.
    ///
    /// # Errors
    ///
    /// As [`HttpConfig::build`].
    pub fn with_connector(connector: C, config: HttpConfig) -> Result<Self, Invalid> {
        Ok(Self::pooled(connector, &config.build()?))
    }

    fn pooled(connector: C, config: &HttpConfig) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.idle_timeout)
            .pool_max_idle_per_host(config.max_idle)
            .http1_max_buf_size(config.buffer as usize)
            .http2_initial_stream_window_size(config.buffer)
            // Room for many streams that are not read, so that they do not hold the others up.
            .http2_initial_connection_window_size(config.buffer.saturating_mul(256).min(1 << 30))
            // Calls that nobody answers do not end a connection that is dead: the next would be made on it too.
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(config.keepalive)
            .http2_keep_alive_timeout(config.keepalive)
            .http2_only(config.http2_only)
            .build(connector);
        Self { client }
    }
}

impl<C> Service<Request<Full<Bytes>>> for HttpClient<C>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    type Response = Response<HttpBody>;
    type Error = BoxError;
    type Future = HttpFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> HttpFuture {
        HttpFuture {
            future: self.client.request(request),
        }
    }
}

impl<C: Clone> Clone for HttpClient<C> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
        }
    }
}

impl<C> fmt::Debug for HttpClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

// ===== impl HttpFuture =====

impl Future for HttpFuture {
    type Output = Result<Response<HttpBody>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(Pin::new(&mut self.future).poll(cx))?;
        Poll::Ready(Ok(response.map(HttpBody::new)))
    }
}

impl fmt::Debug for HttpFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFuture").finish_non_exhaustive()
    }
}
