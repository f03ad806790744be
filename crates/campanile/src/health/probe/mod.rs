//! What looks whether an endpoint is healthy.

use std::{borrow::Cow, fmt, future::Future, iter};

use crate::endpoint::Endpoint;

mod boxed;
mod call;
mod error_rate;
mod find;
mod group;
#[cfg(feature = "http")]
mod grpc;
#[cfg(feature = "http")]
mod http;
mod latency;
mod paid;
mod response_time;
mod seen;
mod service;
mod tcp;
#[cfg(all(test, feature = "testing"))]
mod tests;
mod text;

pub use boxed::BoxProbe;
pub use error_rate::ErrorRate;
pub use find::{Find, Label, Same, Target};
pub use group::{All, Any};
#[cfg(feature = "http")]
pub use grpc::GrpcProbe;
#[cfg(feature = "http")]
pub use http::{HttpAnswer, HttpProbe};
pub use latency::AverageLatency;
pub use paid::Paid;
pub use response_time::ResponseTime;
pub use service::ServiceProbe;
pub use tcp::TcpProbe;

/// What a probe is to look at.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Check<T> {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// What discovery found of it where the health layer stands: an address, a client, its built service.
    pub target: T,
}

/// Looks whether an endpoint is healthy. Every function from a [`Check`] to a future of something that becomes a
/// [`Report`] is one: `|check: Check<Client>| async move { check.target.ping().await }`. An error becomes an unhealthy report
/// with its text, in which user information and queries of URIs are hidden.
///
/// | probe | looks |
/// |---|---|
/// | [`HttpProbe`] | at the answer to an HTTP request (feature `http`) |
/// | [`GrpcProbe`] | at what the standard health service of gRPC says (feature `http`) |
/// | [`TcpProbe`] | whether it can connect, and whether the peer says what is expected |
/// | [`ServiceProbe`] | with any service of checks, behind any layers |
/// | [`ResponseTime`] | how long another probe took |
/// | [`ErrorRate`], [`AverageLatency`] | at the endpoint's own calls |
/// | [`All`], [`Any`] | with several probes at once |
/// | [`Paid`] | with a probe that costs money |
///
/// Memory is looked at by `MemoryProbe` of the crate `campanile-hardware`.
///
/// The future may be dropped at any moment: when its time is up, or its endpoint leaves.
pub trait Probe<T>: Send + Sync + 'static {
    /// Looks once.
    fn check(&self, check: Check<T>) -> impl Future<Output = Report> + Send + 'static;

    /// Whether looking costs money: such a probe runs only where a cap is set for it.
    fn is_paid(&self) -> bool {
        false
    }
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Whether the endpoint is healthy.
    pub verdict: Verdict,
    /// Why, for people; may be empty. Of a long one, its first 1,024 characters are kept.
    pub message: Cow<'static, str>,
    /// What was measured, by name. The first 64 are kept, and of long names 128 characters.
    pub metrics: Vec<(Cow<'static, str>, f64)>,
}

/// Whether an endpoint is healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It is.
    Healthy,
    /// It is not.
    Unhealthy,
    /// The probe cannot tell: it changes nothing.
    Unknown,
}

/// The longest message that is kept, in characters: enough for several probes'.
const MESSAGE: usize = 1_024;

/// How many metrics are kept.
const METRICS: usize = 64;

/// The longest name of one, in characters.
const NAME: usize = 128;

// ===== impl Check =====

impl<T> Check<T> {
    /// What a health layer hands to its probe; for probing without one.
    #[must_use]
    pub const fn new(endpoint: Endpoint, target: T) -> Self {
        Self { endpoint, target }
    }
}

// ===== impl Probe =====

impl<T, F, Fut, R> Probe<T> for F
where
    F: Fn(Check<T>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: Into<Report>,
{
    fn check(&self, check: Check<T>) -> impl Future<Output = Report> + Send + 'static {
        let checking = self(check);
        async move { checking.await.into() }
    }
}

// ===== impl Report =====

impl Report {
    fn new(verdict: Verdict, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            verdict,
            message: message.into(),
            metrics: Vec::new(),
        }
    }

    /// It is healthy.
    #[must_use]
    pub fn healthy() -> Self {
        Self::new(Verdict::Healthy, "")
    }

    /// It is not healthy, and why.
    #[must_use]
    pub fn unhealthy(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Verdict::Unhealthy, message)
    }

    /// The probe cannot tell, and why.
    #[must_use]
    pub fn unknown(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Verdict::Unknown, message)
    }

    /// Within the bounds of what is kept of each endpoint, whatever a probe says.
    pub(super) fn bounded(mut self) -> Self {
        self.message = bounded(self.message, MESSAGE);
        self.metrics.truncate(METRICS);
        self.metrics.shrink_to(METRICS);
        for (name, _) in &mut self.metrics {
            *name = bounded(std::mem::take(name), NAME);
        }
        self
    }

    /// Whether the verdict is [`Verdict::Healthy`].
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.verdict == Verdict::Healthy
    }

    /// Sets what is said to people.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// Adds something that was measured.
    #[must_use]
    pub fn with_metric(mut self, name: impl Into<Cow<'static, str>>, value: f64) -> Self {
        self.metrics.push((name.into(), value));
        self
    }
}

impl From<bool> for Report {
    fn from(healthy: bool) -> Self {
        if healthy {
            Self::healthy()
        } else {
            Self::unhealthy("")
        }
    }
}

impl From<()> for Report {
    fn from((): ()) -> Self {
        Self::healthy()
    }
}

impl<R: Into<Report>, E: fmt::Display> From<Result<R, E>> for Report {
    fn from(result: Result<R, E>) -> Self {
        match result {
            Ok(report) => report.into(),
            Err(error) => Self::unhealthy(text::conceal(&error.to_string(), iter::empty())),
        }
    }
}

fn bounded(text: Cow<'static, str>, longest: usize) -> Cow<'static, str> {
    match text {
        Cow::Borrowed(text) if text.len() <= longest => Cow::Borrowed(text),
        text => text::bound(text.into_owned(), longest).into(),
    }
}
