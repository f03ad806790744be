use std::{
    fmt,
    future::{Future, ready},
    sync::Arc,
};

use super::{Check, Probe, Report, seen::Seen};
use crate::{config::Invalid, endpoint::Outcomes, time::Timestamp};

/// How many of an endpoint's calls fail, between two checks of it. It sends nothing: it reads what the pool counts.
///
/// A call errs when it fails or finds the endpoint overloaded; those that succeed or err are the calls, and those that
/// were throttled, ignored or cancelled are not. Fewer calls than a [minimum](Self::with_minimum), 20 by default, say
/// nothing: the report is [`Unknown`](super::Verdict::Unknown), and they count again at the next check. An endpoint that is
/// out for its health has no calls; it is healthy as far as this probe can tell, so that it comes back to be judged by new
/// ones. Metrics: `error_rate`, from 0 to 1, and `calls`.
///
/// Clones share what they remember. Two health layers need a probe each: they check at different times.
///
/// ```
/// use campanile::health::ErrorRate;
///
/// // Unhealthy above 10 % of at least 50 calls.
/// let probe = ErrorRate::new(0.1).unwrap().with_minimum(50);
/// # let _ = probe;
/// let error = ErrorRate::new(1.5).unwrap_err();
/// assert_eq!(error.to_string(), "error_rate.bound is 1.5: it must be from 0 to 1");
/// ```
#[derive(Clone)]
pub struct ErrorRate {
    bound: f64,
    minimum: u64,
    seen: Arc<Seen>,
}

// ===== impl ErrorRate =====

impl ErrorRate {
    /// Unhealthy where more than this share of the calls errs.
    ///
    /// # Errors
    ///
    /// When it is not from 0 to 1.
    pub fn new(bound: f64) -> Result<Self, Invalid> {
        let kept = (0.0..=1.0).contains(&bound);
        Invalid::unless(
            kept,
            "error_rate",
            "bound",
            &bound,
            "it must be from 0 to 1",
        )?;
        Ok(Self {
            bound,
            minimum: 20,
            seen: Arc::default(),
        })
    }

    /// Of fewer calls than this nothing is said; at least 1.
    #[must_use]
    pub fn with_minimum(mut self, calls: u64) -> Self {
        self.minimum = calls.max(1);
        self
    }

    fn judge(&self, outcomes: &Outcomes) -> Report {
        let (errors, calls) = (errors(outcomes), calls(outcomes));
        let rate = errors as f64 / calls as f64;
        let report = if rate > self.bound {
            Report::unhealthy(format!(
                "{errors} of {calls} calls failed, more than {} %",
                100.0 * self.bound
            ))
        } else {
            Report::healthy()
        };
        report
            .with_metric("error_rate", rate)
            .with_metric("calls", calls as f64)
    }
}

impl<T> Probe<T> for ErrorRate {
    fn check(&self, check: Check<T>) -> impl Future<Output = Report> + Send + 'static {
        let since = self
            .seen
            .since(&check.endpoint, Timestamp::now(), self.minimum, calls);
        ready(since.map_or_else(|report| report, |outcomes| self.judge(&outcomes)))
    }
}

impl fmt::Debug for ErrorRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorRate")
            .field("bound", &self.bound)
            .field("minimum", &self.minimum)
            .field("endpoints", &self.seen.len())
            .finish()
    }
}

fn errors(outcomes: &Outcomes) -> u64 {
    outcomes.failure + outcomes.overloaded
}

fn calls(outcomes: &Outcomes) -> u64 {
    outcomes.success + errors(outcomes)
}
