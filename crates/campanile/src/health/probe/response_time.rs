use std::{future::Future, time::Duration};

use super::{Check, Probe, Report, Verdict};
use crate::time::Timestamp;

/// How long another probe takes: longer than a bound is unhealthy, even where the other found nothing wrong.
///
/// It waits for the other probe to the end, and says how long that took, in the metric `response_time_seconds`. What the
/// other measured and said is kept.
///
/// ```
/// use campanile::health::{ResponseTime, TcpProbe};
/// use std::time::Duration;
///
/// let probe = ResponseTime::new(TcpProbe::target(), Duration::from_millis(200));
/// # let _ = probe;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseTime<P> {
    probe: P,
    bound: Duration,
}

// ===== impl ResponseTime =====

impl<P> ResponseTime<P> {
    /// Unhealthy where `probe` takes longer than `bound`.
    pub const fn new(probe: P, bound: Duration) -> Self {
        Self { probe, bound }
    }
}

impl<T, P: Probe<T>> Probe<T> for ResponseTime<P> {
    fn check(&self, check: Check<T>) -> impl Future<Output = Report> + Send + 'static {
        let bound = self.bound;
        let checking = self.probe.check(check);
        async move {
            let started = Timestamp::now();
            let report = checking.await;
            let took = Timestamp::now().since(started);
            judge(report, took, bound)
        }
    }

    fn is_paid(&self) -> bool {
        self.probe.is_paid()
    }
}

fn judge(mut report: Report, took: Duration, bound: Duration) -> Report {
    // A verdict of the other's own stands: what is unhealthy is not made better by speed, and who cannot tell had no answer
    // to time.
    if report.is_healthy() && took > bound {
        report.verdict = Verdict::Unhealthy;
        report.message = format!("took {took:.1?}, longer than {bound:?}").into();
    }
    report.with_metric("response_time_seconds", took.as_secs_f64())
}
