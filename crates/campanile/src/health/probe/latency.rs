use std::{
    fmt,
    future::{Future, ready},
    sync::Arc,
    time::Duration,
};

use super::{Check, Probe, Report, seen::Seen};
use crate::{endpoint::Endpoint, time::Timestamp};

/// How long an endpoint's own calls take, on average. It sends nothing: it reads the moving averages that the pool keeps,
/// in which the newest call weighs a tenth. Only calls that succeed count.
///
/// It looks at the time to the end of the answer, or [to the head](Self::to_head), or [to the first
/// data](Self::to_first_data). Fewer new calls than a [minimum](Self::with_minimum), 20 by default, say nothing: the report
/// is [`Unknown`](super::Verdict::Unknown), and they count again at the next check. An endpoint that is out for its health
/// has no calls; it is healthy as far as this probe can tell, so that it comes back to be judged by new ones. Metric:
/// `average_latency_seconds`.
///
/// Clones share what they remember. Two health layers need a probe each: they check at different times.
///
/// ```
/// use campanile::health::AverageLatency;
/// use std::time::Duration;
///
/// // A chat that begins to answer within two seconds.
/// let probe = AverageLatency::new(Duration::from_secs(2)).to_first_data();
/// # let _ = probe;
/// ```
#[derive(Clone)]
pub struct AverageLatency {
    bound: Duration,
    minimum: u64,
    of: Of,
    seen: Arc<Seen>,
}

#[derive(Debug, Clone, Copy)]
enum Of {
    Head,
    FirstData,
    Total,
}

// ===== impl AverageLatency =====

impl AverageLatency {
    /// Unhealthy where calls take longer than this on average.
    #[must_use]
    pub fn new(bound: Duration) -> Self {
        Self {
            bound,
            minimum: 20,
            of: Of::Total,
            seen: Arc::default(),
        }
    }

    /// Looks at the time to the response head.
    #[must_use]
    pub fn to_head(mut self) -> Self {
        self.of = Of::Head;
        self
    }

    /// Looks at the time to the first piece of the body or stream.
    #[must_use]
    pub fn to_first_data(mut self) -> Self {
        self.of = Of::FirstData;
        self
    }

    /// Of fewer new calls than this nothing is said; at least 1.
    #[must_use]
    pub fn with_minimum(mut self, calls: u64) -> Self {
        self.minimum = calls.max(1);
        self
    }

    fn judge(&self, endpoint: &Endpoint) -> Report {
        let measurements = endpoint.measurements();
        let latency = match self.of {
            Of::Head => measurements.head(),
            Of::FirstData => measurements.first_data(),
            Of::Total => measurements.total(),
        };
        let Some(average) = latency.average() else {
            return Report::unknown("nothing was measured yet");
        };
        let report = if average > self.bound {
            Report::unhealthy(format!(
                "calls take {average:.1?} on average, longer than {:?}",
                self.bound
            ))
        } else {
            Report::healthy()
        };
        report.with_metric("average_latency_seconds", average.as_secs_f64())
    }
}

impl<T> Probe<T> for AverageLatency {
    fn check(&self, check: Check<T>) -> impl Future<Output = Report> + Send + 'static {
        let endpoint = &check.endpoint;
        let since = self
            .seen
            .since(endpoint, Timestamp::now(), self.minimum, |outcomes| {
                outcomes.success
            });
        ready(since.map_or_else(|report| report, |_| self.judge(endpoint)))
    }
}

impl fmt::Debug for AverageLatency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AverageLatency")
            .field("bound", &self.bound)
            .field("minimum", &self.minimum)
            .field("of", &self.of)
            .field("endpoints", &self.seen.len())
            .finish()
    }
}
