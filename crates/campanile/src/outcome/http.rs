use std::time::{Duration, SystemTime};

use http::{HeaderMap, Response, StatusCode, header::RETRY_AFTER};

use super::{Classify, FailureKind, Outcome, classify_error};

/// Judges HTTP responses by their status.
///
/// | status | outcome |
/// |---|---|
/// | 1xx, 2xx, 3xx | `Success` |
/// | 408, 504 | `Failure(Timeout)` |
/// | 429 | `Throttled`, with the wait of `retry-after-ms` or `Retry-After` |
/// | 503, 529 | `Overloaded`, with the same |
/// | other 5xx | `Failure(Server)` |
/// | other 4xx | `Ignored`: the request is at fault |
#[derive(Debug, Clone, Copy)]
pub struct ClassifyHttp {
    cap: Duration,
}

/// An extension of a response whose body is known to have broken off before its first data, since a layer further in
/// waited for them. [`Http`](crate::protocol::Http) judges it as
/// [`Failure(Interrupted)`](FailureKind::Interrupted), whatever its status: nothing has been passed on, so it can be tried
/// again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FirstDataFailed;

/// The wait that an upstream asks for: `retry-after-ms` (milliseconds), else `Retry-After` as seconds (fractions
/// allowed) or as an HTTP date, never more than `cap`. A date in the past is no wait; what cannot be read is `None`.
#[must_use]
pub fn retry_after(headers: &HeaderMap, cap: Duration) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let wait = text("retry-after-ms")
        .and_then(|millis| seconds(millis, 1e-3))
        .or_else(|| {
            let value = text(RETRY_AFTER.as_str())?;
            seconds(value, 1.0).or_else(|| {
                let date = httpdate::parse_http_date(value).ok()?;
                Some(date.duration_since(SystemTime::now()).unwrap_or_default())
            })
        })?;
    Some(wait.min(cap))
}

/// Reads a number of `unit` seconds. More than a duration holds is the longest duration.
fn seconds(text: &str, unit: f64) -> Option<Duration> {
    let number: f64 = text.parse().ok()?;
    // Not so of what is not a number.
    (number >= 0.0).then(|| Duration::try_from_secs_f64(number * unit).unwrap_or(Duration::MAX))
}

// ===== impl ClassifyHttp =====

impl Default for ClassifyHttp {
    /// Waits are capped at 300 s.
    fn default() -> Self {
        Self {
            cap: Duration::from_secs(300),
        }
    }
}

impl ClassifyHttp {
    /// Caps the wait that an upstream may ask for.
    #[must_use]
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// What a status with these headers means.
    #[must_use]
    pub fn status(&self, status: StatusCode, headers: &HeaderMap) -> Outcome {
        match status.as_u16() {
            408 | 504 => Outcome::Failure(FailureKind::Timeout),
            429 => Outcome::Throttled {
                retry_after: retry_after(headers, self.cap),
            },
            503 | 529 => Outcome::Overloaded {
                retry_after: retry_after(headers, self.cap),
            },
            500..=599 => Outcome::Failure(FailureKind::Server),
            400..=499 => Outcome::Ignored,
            _ => Outcome::Success,
        }
    }
}

impl<B, Err> Classify<Response<B>, Err> for ClassifyHttp {
    fn classify(&self, result: Result<&Response<B>, &Err>) -> Outcome
    where
        Err: 'static,
    {
        match result {
            Ok(response) => self.status(response.status(), response.headers()),
            Err(error) => classify_error(error),
        }
    }
}
