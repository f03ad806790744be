use std::{fmt, future::Future, iter};

use tower_service::Service;

use super::{Check, Probe, Report, Same, call, text};
use crate::BoxError;

/// A service of checks as a probe, behind whatever layers.
///
/// An error of the call is unhealthy, unless it is a [`Rejection`](crate::Rejection) of a layer on the way. An error of
/// `poll_ready` means that the service is dead, which says nothing of the endpoint: it is
/// [`Unknown`](super::Verdict::Unknown).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use campanile::{BoxError, Endpoint, health::{Check, Probe, Report, ServiceProbe}};
/// use tower::{ServiceBuilder, service_fn};
///
/// // Two checks at once in the whole program.
/// let probe = ServiceProbe::new(ServiceBuilder::new().concurrency_limit(2).service(service_fn(
///     |check: Check<u32>| async move {
///         Ok::<_, BoxError>(Report::from(check.target < 10).with_metric("queue", f64::from(check.target)))
///     },
/// )));
/// assert!(probe.check(Check::new(Endpoint::new("one"), 3)).await.is_healthy());
/// assert!(!probe.check(Check::new(Endpoint::new("two"), 30)).await.is_healthy());
/// # }
/// ```
pub struct ServiceProbe<S> {
    service: Same<S>,
}

// ===== impl ServiceProbe =====

impl<S> ServiceProbe<S> {
    /// Looks with a clone of this service.
    pub fn new(service: S) -> Self {
        Self {
            service: Same::new(service),
        }
    }
}

impl<S, T> Probe<T> for ServiceProbe<S>
where
    S: Service<Check<T>> + Clone + Send + 'static,
    S::Response: Into<Report>,
    S::Error: Into<BoxError>,
    S::Future: Send,
    T: Send + 'static,
{
    fn check(&self, check: Check<T>) -> impl Future<Output = Report> + Send + 'static {
        let service = self.service.get();
        async move {
            let mut service = service;
            if let Err(error) = std::future::poll_fn(|cx| service.poll_ready(cx)).await {
                return Report::unknown(text::describe(&*error.into(), iter::empty()));
            }
            match service.call(check).await {
                Ok(report) => report.into(),
                Err(error) => call::failed(&error.into(), iter::empty()),
            }
        }
    }
}

impl<S: Clone> Clone for ServiceProbe<S> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
        }
    }
}

impl<S> fmt::Debug for ServiceProbe<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceProbe").finish_non_exhaustive()
    }
}
