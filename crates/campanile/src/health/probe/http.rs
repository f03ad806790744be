use std::{fmt, future::Future, marker::PhantomData, ops::RangeInclusive, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use tower_service::Service;

use super::{Check, Find, Probe, Report, Same, Target, call};
use crate::BoxError;

mod read;
mod secrets;

pub(super) use read::read;
pub(super) use secrets::Secrets;

/// How much of a body is read unless it is set otherwise.
const BODY_LIMIT: usize = 64 << 10;

/// Makes an HTTP request, and looks at the answer: `GET`, and any status from 200 to 299 is healthy, unless it is set
/// otherwise.
///
/// `C` is the client, any service of `http::Request<B>`: [the same](Self::new) for all endpoints, such as hyper-util's, or
/// [the target](Self::target), or what [a function](Self::through) finds in the check. It is cloned for each check, waited
/// for until it is ready, and called. `U` finds the URI: a [`Label`](super::Label) with a path, or a function of the check
/// whose result becomes a [`Uri`]. `B` is the client's body type, which is empty by default.
///
/// The body is read to its end, but no more than 64 KiB of it, so that the connection can be used again; one that breaks
/// off is unhealthy. The rest of a longer one is dropped. [`with_judge`](Self::with_judge) looks at what was read. Redirects
/// are answers like others: nothing follows them.
///
/// An error of the client is unhealthy, unless it is a [`Rejection`](crate::Rejection) of a layer on the way, which never
/// sent it. Messages show no header values, and of a URI neither user information nor query. Metric: `status`. It has no
/// time limit of its own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use campanile::{BoxError, Endpoint, health::{Check, HttpAnswer, HttpProbe, Label, Probe}};
/// use http::{HeaderName, HeaderValue, Request, Response};
/// use http_body_util::{Empty, Full};
/// use bytes::Bytes;
/// use tower::service_fn;
///
/// // In place of hyper-util's client.
/// let client = service_fn(|request: Request<Empty<Bytes>>| async move {
///     assert_eq!(request.uri(), "http://10.0.0.7:80/health?deep=1");
///     Ok::<_, BoxError>(Response::new(Full::new(Bytes::from("queue: 3"))))
/// });
/// let probe = HttpProbe::new(client, Label::new("address").with_path("/health?deep=1"))
///     .with_header(HeaderName::from_static("x-api-key"), HeaderValue::from_static("hush-hush"))
///     .with_statuses(200..=204)
///     .with_judge(|answer: &HttpAnswer| !answer.body.starts_with(b"queue: full"));
///
/// let endpoint = Endpoint::builder("one").label("address", "10.0.0.7:80").build().unwrap();
/// let report = probe.check(Check::new(endpoint, ())).await;
/// assert!(report.is_healthy());
/// assert_eq!(report.metrics, [("status".into(), 200.0)]);
/// # }
/// ```
pub struct HttpProbe<C, U, B> {
    client: C,
    uri: U,
    settings: Arc<Settings>,
    body: PhantomData<fn() -> B>,
}

/// An answer to an [`HttpProbe`], of a healthy status.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as far as it was read.
    pub body: Bytes,
    /// Whether there was more of the body.
    pub truncated: bool,
}

#[derive(Clone)]
struct Settings {
    method: Method,
    headers: HeaderMap,
    statuses: RangeInclusive<u16>,
    body_limit: usize,
    judge: Option<Judge>,
}

/// An object, so that a probe has no further type parameter for what few set.
type Judge = Arc<dyn Fn(&HttpAnswer) -> Report + Send + Sync>;

// ===== impl HttpProbe =====

impl<C, U, B> HttpProbe<Same<C>, U, B> {
    /// Asks through one client for all endpoints.
    pub fn new(client: C, uri: U) -> Self {
        Self::through(Same::new(client), uri)
    }
}

impl<U, B> HttpProbe<Target, U, B> {
    /// Asks through the target, which is a client.
    pub fn target(uri: U) -> Self {
        Self::through(Target, uri)
    }
}

impl<C, U, B> HttpProbe<C, U, B> {
    /// Asks through the client that `client` finds in the check.
    pub fn through(client: C, uri: U) -> Self {
        Self {
            client,
            uri,
            settings: Arc::new(Settings {
                method: Method::GET,
                headers: HeaderMap::new(),
                statuses: 200..=299,
                body_limit: BODY_LIMIT,
                judge: None,
            }),
            body: PhantomData,
        }
    }

    /// Asks with this method; `GET` by default.
    #[must_use]
    pub fn with_method(mut self, method: Method) -> Self {
        Arc::make_mut(&mut self.settings).method = method;
        self
    }

    /// Sends a header; the last one of a name counts.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        Arc::make_mut(&mut self.settings)
            .headers
            .insert(name, value);
        self
    }

    /// Which statuses are healthy; 200 to 299 by default.
    #[must_use]
    pub fn with_statuses(mut self, statuses: RangeInclusive<u16>) -> Self {
        Arc::make_mut(&mut self.settings).statuses = statuses;
        self
    }

    /// How many bytes of the body are read; 64 KiB by default. With 0 the head alone decides.
    #[must_use]
    pub fn with_body_limit(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.settings).body_limit = bytes;
        self
    }

    /// Lets a function decide about answers of a healthy status: their headers, and their body as far as it was read.
    /// Status is added to its metrics.
    #[must_use]
    pub fn with_judge<R: Into<Report>>(
        mut self,
        judge: impl Fn(&HttpAnswer) -> R + Send + Sync + 'static,
    ) -> Self {
        let judge = move |answer: &HttpAnswer| judge(answer).into();
        Arc::make_mut(&mut self.settings).judge = Some(Arc::new(judge));
        self
    }
}

impl<T, C, U, B, A> Probe<T> for HttpProbe<C, U, B>
where
    C: Find<T>,
    C::Found: Service<Request<B>, Response = Response<A>> + Send + 'static,
    <C::Found as Service<Request<B>>>::Error: Into<BoxError>,
    <C::Found as Service<Request<B>>>::Future: Send,
    U: Find<T>,
    U::Found: TryInto<Uri>,
    <U::Found as TryInto<Uri>>::Error: Into<BoxError>,
    B: Default + Send + 'static,
    A: Body + Send + 'static,
    A::Error: Into<BoxError>,
{
    fn check(&self, check: Check<T>) -> impl Future<Output = Report> + Send + 'static {
        let settings = Arc::clone(&self.settings);
        let found = uri(&self.uri, &check).and_then(|uri| Ok((uri, self.client.find(&check)?)));
        async move {
            let (uri, client) = match found {
                Ok(found) => found,
                Err(error) => return call::unprepared(&error),
            };
            let secrets = Secrets::new(&settings.headers, &uri);
            let mut request = Request::new(B::default());
            *request.method_mut() = settings.method.clone();
            *request.headers_mut() = settings.headers.clone();
            *request.uri_mut() = uri;
            match call::call(client, request).await {
                Ok(response) => settings.judge(response, &secrets).await,
                Err(error) => call::failed(&error, secrets.iter()),
            }
        }
    }
}

/// The URI that a check is about.
pub(super) fn uri<T, U>(find: &U, check: &Check<T>) -> Result<Uri, BoxError>
where
    U: Find<T>,
    U::Found: TryInto<Uri>,
    <U::Found as TryInto<Uri>>::Error: Into<BoxError>,
{
    find.find(check)?.try_into().map_err(Into::into)
}

impl<C: Clone, U: Clone, B> Clone for HttpProbe<C, U, B> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            uri: self.uri.clone(),
            settings: Arc::clone(&self.settings),
            body: PhantomData,
        }
    }
}

impl<C, U, B> fmt::Debug for HttpProbe<C, U, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.settings.headers.keys().collect();
        f.debug_struct("HttpProbe")
            .field("method", &self.settings.method)
            .field("headers", &headers)
            .field("statuses", &self.settings.statuses)
            .field("body_limit", &self.settings.body_limit)
            .finish_non_exhaustive()
    }
}

// ===== impl Settings =====

impl Settings {
    async fn judge<A>(&self, response: Response<A>, secrets: &Secrets) -> Report
    where
        A: Body,
        A::Error: Into<BoxError>,
    {
        let (head, body) = response.into_parts();
        let status = head.status;
        let report = if !self.statuses.contains(&status.as_u16()) {
            Report::unhealthy(format!("status {status}"))
        } else {
            match read(body, self.body_limit).await {
                Err(error) => call::failed(&error.into(), secrets.iter()),
                Ok(read) => match &self.judge {
                    None => Report::healthy(),
                    Some(judge) => judge(&HttpAnswer {
                        status,
                        headers: head.headers,
                        body: read.data,
                        truncated: read.truncated,
                    }),
                },
            }
        };
        report.with_metric("status", f64::from(status.as_u16()))
    }
}
