//! Where reports of load come from.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::runtime::Handle;

use super::{LoadReport, Probed, View, few::draw_at_most};
use crate::{endpoint::Endpoint, time::Timestamp};

mod pool;
mod race;
mod reported;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

pub(super) use pool::{Candidate, Limits, Ranked, ReportPool};
pub use reported::Reported;

use race::Race;

/// Asks an endpoint for its load: an HTTP request to a metrics page, an RPC, a look into shared memory. Implemented for
/// functions that return a future.
///
/// ```
/// use campanile::balance::{LoadReport, ReportSource};
/// use campanile::Endpoint;
/// use std::time::Duration;
///
/// struct Metrics;
///
/// impl ReportSource for Metrics {
///     async fn probe(&self, endpoint: &Endpoint) -> Option<LoadReport> {
///         let _url = endpoint.label("metrics")?;
///         // ... ask for it, and read the answer.
///         Some(LoadReport {
///             in_flight: Some(3),
///             time_per_unit: Some(Duration::from_millis(20)),
///             ..LoadReport::default()
///         })
///     }
/// }
/// ```
pub trait ReportSource: Send + Sync + 'static {
    /// The endpoint's load at present; `None` when it cannot be had. The future is dropped when the strategy's time for
    /// probes is over, or the call that waits for it is.
    fn probe(&self, endpoint: &Endpoint) -> impl Future<Output = Option<LoadReport>> + Send;
}

/// No source: a strategy that sends no probes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProbes;

/// Sends probes.
pub(super) struct Prober<S> {
    source: Arc<S>,
}

// ===== impl ReportSource =====

impl<F, Fut> ReportSource for F
where
    F: Fn(&Endpoint) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Option<LoadReport>> + Send,
{
    fn probe(&self, endpoint: &Endpoint) -> impl Future<Output = Option<LoadReport>> + Send {
        self(endpoint)
    }
}

impl ReportSource for NoProbes {
    async fn probe(&self, _endpoint: &Endpoint) -> Option<LoadReport> {
        None
    }
}

// ===== impl Prober =====

impl<S: ReportSource> Prober<S> {
    pub(super) fn new(source: S) -> Self {
        Self {
            source: Arc::new(source),
        }
    }

    /// Probes every target at once. Of more than two the slowest is not waited for: otherwise one that hangs would cost
    /// every call the whole time for probes.
    pub(super) fn ask(
        &self,
        targets: impl IntoIterator<Item = (usize, Endpoint)>,
        timeout: Duration,
    ) -> Race {
        let probes: Vec<_> = targets
            .into_iter()
            .map(|(index, endpoint)| {
                let source = Arc::clone(&self.source);
                Box::pin(async move {
                    let report = source.probe(&endpoint).await?;
                    Some(Probed {
                        index,
                        endpoint,
                        report,
                    })
                }) as race::Probe
            })
            .collect();
        let enough = if probes.len() > 2 {
            probes.len() - 1
        } else {
            probes.len()
        };
        Race::new(probes, enough, timeout)
    }

    /// Probes random members in the background, for `pool`. The time for probes bounds how many are under way.
    pub(super) fn ask_for<T, V: View<T>>(
        &self,
        pool: &Arc<ReportPool>,
        view: &V,
        count: usize,
        timeout: Duration,
    ) {
        let targets = draw_at_most(view, count);
        if targets.is_empty() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let targets = targets
            .iter()
            .map(|(index, _)| (*index, view.endpoint(*index).clone()));
        let race = self.ask(targets, timeout);
        let pool = Arc::downgrade(pool);
        runtime.spawn(async move {
            let answers = race.await;
            if let Some(pool) = pool.upgrade() {
                pool.add(answers, Timestamp::now());
            }
        });
    }
}
