use std::{fmt, future::poll_fn, task::Poll};

use tokio::sync::mpsc;
use tower::discover::Discover;
use tower_layer::Layer;

use super::{OutlierConfig, OutlierHandle, outliers::Outliers};
use crate::{
    config::Invalid,
    discover::Key,
    health::{Fleet, Monitored, PanicThreshold, members::Membership},
    time::Timestamp,
};

/// Ejects members that do worse than the rest of their pool. See the [module](super).
///
/// A layer is for one pool.
#[derive(Clone)]
pub struct OutlierLayer {
    handle: OutlierHandle,
    threshold: PanicThreshold,
}

// ===== impl OutlierLayer =====

impl OutlierLayer {
    /// Ejects by these settings.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: OutlierConfig) -> Result<Self, Invalid> {
        Ok(Self::shared(&OutlierHandle::new(config)?))
    }

    /// Ejects by the settings of a handle, which then shows the pool.
    #[must_use]
    pub fn shared(handle: &OutlierHandle) -> Self {
        Self {
            handle: handle.clone(),
            threshold: PanicThreshold::default(),
        }
    }

    /// Sets below what share of fit members all are used; half by default.
    ///
    /// # Errors
    ///
    /// When it is not from 0 to 1.
    pub fn panic_threshold(mut self, threshold: PanicThreshold) -> Result<Self, Invalid> {
        Invalid::unless(
            (0.0..=1.0).contains(&threshold.0),
            "outlier",
            "panic_threshold",
            &threshold.0,
            "it must be from 0 to 1",
        )?;
        self.threshold = threshold;
        Ok(self)
    }

    /// Shows the pool.
    #[must_use]
    pub const fn handle(&self) -> &OutlierHandle {
        &self.handle
    }
}

impl<D> Layer<D> for OutlierLayer
where
    D: Discover,
    D::Key: Key,
    D::Service: Clone + Send + 'static,
{
    type Service = Monitored<D, D::Service>;

    /// Makes the discovery, and spawns the task that looks after its members.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    fn layer(&self, discover: D) -> Self::Service {
        let fleet = Fleet::new(self.threshold);
        let outliers = self.handle.watch(&fleet);
        let (monitored, told) = Monitored::new(discover, fleet, None);
        tokio::spawn(run(outliers, told));
        monitored
    }
}

impl fmt::Debug for OutlierLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutlierLayer")
            .field("config", &self.handle.config())
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}

/// Ends when the discovery is dropped.
async fn run<T>(mut outliers: Outliers, mut told: mpsc::UnboundedReceiver<Membership<T>>) {
    poll_fn(|cx| {
        while let Poll::Ready(membership) = told.poll_recv(cx) {
            match membership {
                None => return Poll::Ready(()),
                Some(Membership::Joined { id, endpoint, .. }) => {
                    outliers.join(id, &endpoint, Timestamp::now());
                }
                Some(Membership::Left { id }) => outliers.leave(id),
                Some(Membership::Replaced { .. }) => {}
            }
        }
        outliers.poll(cx).map(|never| match never {})
    })
    .await;
}
