use std::{fmt, future::Future, marker::PhantomData};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::{CONTENT_TYPE, TE},
    uri::{PathAndQuery, Scheme},
};
use http_body::Body;
use tower_service::Service;

use super::{
    Check, Find, Probe, Report, Same, Target, call,
    http::{Secrets, read, uri},
};
use crate::BoxError;

mod status;
mod wire;

#[cfg(test)]
pub(super) use wire::{ServingStatus, request, response};

use status::{Code, GrpcStatus};

const CHECK: &str = "/grpc.health.v1.Health/Check";

/// An answer has seven bytes; more than this is none.
const LONGEST: usize = 4 << 10;

/// Asks the standard health service of gRPC, `grpc.health.v1.Health/Check`: `SERVING` is healthy, and nothing else is.
///
/// | what comes | verdict |
/// |---|---|
/// | `SERVING` | healthy |
/// | `NOT_SERVING`, `UNKNOWN`, `SERVICE_UNKNOWN`, a status of a version to come | unhealthy |
/// | the call ended with `UNIMPLEMENTED`: the server has no health service | [`Unknown`](super::Verdict::Unknown) |
/// | the call ended with another code: `NOT_FOUND` where the service is not known, `UNAVAILABLE` | unhealthy |
/// | no gRPC: another HTTP status than 200, another content type, a broken message, no `grpc-status` | unhealthy |
///
/// That is what gRPC's own clients do, which go on using a server that has no health service.
///
/// The client is any service of `http::Request<B>` that speaks HTTP/2: [the same](Self::new) for all endpoints, or
/// [the target](Self::target), or what [a function](Self::through) finds in the check. `U` finds a URI of which scheme and
/// authority are used: a [`Label`](super::Label), or a function of the check. `http` is taken where there is no scheme. `B`
/// is the client's body type, made from bytes.
///
/// Errors of the client, messages and secrets are as with [`HttpProbe`](super::HttpProbe). Metrics: `grpc_status`, the code
/// of the call, and `serving_status`, the number in the answer. It has no time limit of its own.
///
/// ```
/// use campanile::health::{GrpcProbe, Label};
/// use http::{HeaderName, HeaderValue};
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use bytes::Bytes;
/// # use campanile::BoxError;
/// # fn probe(client: impl tower::Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = BoxError, Future: Send> + Clone + Send + 'static)
/// # -> impl campanile::health::Probe<()> {
///
/// GrpcProbe::new(client, Label::new("address"))
///     .with_service("embeddings.v1.Embeddings")
///     .with_header(HeaderName::from_static("x-api-key"), HeaderValue::from_static("hush-hush"))
/// # }
/// ```
pub struct GrpcProbe<C, U, B> {
    client: C,
    uri: U,
    service: String,
    headers: HeaderMap,
    body: PhantomData<fn() -> B>,
}

// ===== impl GrpcProbe =====

impl<C, U, B> GrpcProbe<Same<C>, U, B> {
    /// Asks through one client for all endpoints.
    pub fn new(client: C, uri: U) -> Self {
        Self::through(Same::new(client), uri)
    }
}

impl<U, B> GrpcProbe<Target, U, B> {
    /// Asks through the target, which is a client.
    pub fn target(uri: U) -> Self {
        Self::through(Target, uri)
    }
}

impl<C, U, B> GrpcProbe<C, U, B> {
    /// Asks through the client that `client` finds in the check.
    pub fn through(client: C, uri: U) -> Self {
        Self {
            client,
            uri,
            service: String::new(),
            headers: HeaderMap::new(),
            body: PhantomData,
        }
    }

    /// Asks about one service of the server, by its full name. By default about the server as a whole.
    #[must_use]
    pub fn with_service(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self
    }

    /// Sends a header; the last one of a name counts.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    fn request(&self, uri: Uri) -> Result<Request<B>, BoxError>
    where
        B: From<Bytes>,
    {
        let mut parts = uri.into_parts();
        if parts.authority.is_some() && parts.scheme.is_none() {
            parts.scheme = Some(Scheme::HTTP);
        }
        parts.path_and_query = Some(PathAndQuery::from_static(CHECK));
        let mut request = Request::new(wire::request(&self.service).into());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_parts(parts)?;
        *request.headers_mut() = self.headers.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        Ok(request)
    }
}

impl<T, C, U, B, A> Probe<T> for GrpcProbe<C, U, B>
where
    C: Find<T>,
    C::Found: Service<Request<B>, Response = Response<A>> + Send + 'static,
    <C::Found as Service<Request<B>>>::Error: Into<BoxError>,
    <C::Found as Service<Request<B>>>::Future: Send,
    U: Find<T>,
    U::Found: TryInto<Uri>,
    <U::Found as TryInto<Uri>>::Error: Into<BoxError>,
    B: From<Bytes> + Send + 'static,
    A: Body + Send + 'static,
    A::Error: Into<BoxError>,
{
    fn check(&self, check: Check<T>) -> impl Future<Output = Report> + Send + 'static {
        let found = uri(&self.uri, &check).and_then(|uri| {
            let secrets = Secrets::new(&self.headers, &uri);
            Ok((self.request(uri)?, secrets, self.client.find(&check)?))
        });
        async move {
            let (request, secrets, client) = match found {
                Ok(found) => found,
                Err(error) => return call::unprepared(&error),
            };
            match call::call(client, request).await {
                Ok(response) => answered(response, &secrets).await,
                Err(error) => call::failed(&error, secrets.iter()),
            }
        }
    }
}

impl<C: Clone, U: Clone, B> Clone for GrpcProbe<C, U, B> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            uri: self.uri.clone(),
            service: self.service.clone(),
            headers: self.headers.clone(),
            body: PhantomData,
        }
    }
}

impl<C, U, B> fmt::Debug for GrpcProbe<C, U, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.keys().collect();
        f.debug_struct("GrpcProbe")
            .field("service", &self.service)
            .field("headers", &headers)
            .finish_non_exhaustive()
    }
}

/// What an answer says.
async fn answered<A>(response: Response<A>, secrets: &Secrets) -> Report
where
    A: Body,
    A::Error: Into<BoxError>,
{
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Report::unhealthy(format!("no gRPC: HTTP status {}", head.status));
    }
    let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !kind.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
        return Report::unhealthy("no gRPC: its content type is not application/grpc");
    }
    // A call that fails at once has its status in the head, and no body.
    if let Some(status) = GrpcStatus::of(&head.headers) {
        return ended(&status, &[], secrets);
    }
    let read = match read(body, LONGEST).await {
        Ok(read) => read,
        Err(error) => return call::failed(&error.into(), secrets.iter()),
    };
    if read.truncated {
        return Report::unhealthy("the answer is no HealthCheckResponse: it is too long");
    }
    match read.trailers.as_ref().and_then(GrpcStatus::of) {
        Some(status) => ended(&status, &read.data, secrets),
        // Cut, whatever its message says.
        None => Report::unhealthy("the answer ended without a grpc-status"),
    }
}

fn ended(status: &GrpcStatus, frame: &[u8], secrets: &Secrets) -> Report {
    use wire::ServingStatus::{NotServing, Other, ServiceUnknown, Serving, Unknown};

    let (report, number) = match status.code {
        Code::OK => match wire::response(frame) {
            Ok(Serving) => (Report::healthy(), Some(1)),
            Ok(NotServing) => (Report::unhealthy("NOT_SERVING"), Some(2)),
            Ok(Unknown) => (Report::unhealthy("UNKNOWN"), Some(0)),
            Ok(ServiceUnknown) => (Report::unhealthy("SERVICE_UNKNOWN"), Some(3)),
            Ok(Other(number)) => {
                let message = format!("a serving status that is not known: {number}");
                (Report::unhealthy(message), Some(number))
            }
            Err(problem) => (Report::unhealthy(problem), None),
        },
        Code::UNIMPLEMENTED => (
            Report::unknown("UNIMPLEMENTED: the server has no grpc.health.v1.Health service"),
            None,
        ),
        _ => (Report::unhealthy(status.describe(secrets)), None),
    };
    let report = report.with_metric("grpc_status", f64::from(status.code.0));
    match number {
        Some(number) => report.with_metric("serving_status", number as f64),
        None => report,
    }
}
