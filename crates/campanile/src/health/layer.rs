use std::{fmt, future::poll_fn, marker::PhantomData, sync::Arc};

use tower::discover::Discover;
use tower_layer::Layer;

use super::{
    HealthConfig, HealthHandle, Monitored, OutlierConfig, OutlierHandle, Probe,
    companion::Companion, monitor::Monitor, shared::Shared,
};
use crate::{config::Invalid, discover::Key};

/// Checks the endpoints of a discovery, and closes the gates of those that are unhealthy. See the [module](super).
///
/// `T` is what discovery finds where the layer stands, which the probe is given; the compiler finds it by itself.
#[must_use = "a layer does nothing until it is applied"]
pub struct HealthLayer<P, T> {
    probe: Arc<P>,
    shared: Arc<Shared>,
    /// The layer takes targets and has none.
    target: PhantomData<fn(T)>,
}

// ===== impl HealthLayer =====

impl<P: Probe<T>, T> HealthLayer<P, T> {
    /// Checks by `probe`, every minute. A layer is for one pool: pools made of one layer share its handle and its cap on
    /// paid checks, and what is unhealthy in one counts in the others; each has as many checks at once as are allowed.
    ///
    /// # Errors
    ///
    /// When the probe [costs money](Probe::is_paid): that needs a cap in the settings.
    pub fn new(probe: P) -> Result<Self, Invalid> {
        Self::with_config(probe, HealthConfig::default())
    }

    /// Checks by `probe`, as `config` says.
    ///
    /// # Errors
    ///
    /// When a setting is out of range, or the probe [costs money](Probe::is_paid) and no
    /// [cap](HealthConfig::paid_per_hour) is set.
    pub fn with_config(probe: P, config: HealthConfig) -> Result<Self, Invalid> {
        let paid = probe.is_paid();
        let config = config.build_for(paid)?;
        Ok(Self {
            probe: Arc::new(probe),
            shared: Arc::new(Shared::new(config, paid)),
            target: PhantomData,
        })
    }
}

impl<P, T> HealthLayer<P, T> {
    /// Ejects outliers too, by what becomes of calls. Both close the gates of one pool, which panics when they leave too
    /// few. See [`outlier`](super::outlier).
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn outliers(self, config: OutlierConfig) -> Result<Self, Invalid> {
        self.shared.set_outliers(OutlierHandle::new(config)?);
        Ok(self)
    }

    /// The health of the endpoints, in the hand.
    #[must_use]
    pub fn handle(&self) -> HealthHandle {
        HealthHandle {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<D, P, T> Layer<D> for HealthLayer<P, T>
where
    D: Discover<Service = T>,
    D::Key: Key,
    P: Probe<T>,
    T: Clone + Send + 'static,
{
    type Service = Monitored<D, T>;

    /// Spawns the task that checks the members; it ends when the discovery is dropped.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    fn layer(&self, discover: D) -> Self::Service {
        let shared = &self.shared;
        let (monitored, told) =
            Monitored::new(discover, shared.fleet.clone(), shared.config.shut());
        let companion = shared
            .outliers()
            .map(|outliers| -> Box<dyn Companion> { Box::new(outliers.watch(&shared.fleet)) });
        let (shared, probe) = (Arc::clone(shared), Arc::clone(&self.probe));
        let mut monitor = Monitor::new(shared, probe, told, companion);
        tokio::spawn(poll_fn(move |cx| monitor.poll(cx)));
        monitored
    }
}

impl<P, T> Clone for HealthLayer<P, T> {
    fn clone(&self) -> Self {
        Self {
            probe: Arc::clone(&self.probe),
            shared: Arc::clone(&self.shared),
            target: PhantomData,
        }
    }
}

impl<P, T> fmt::Debug for HealthLayer<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthLayer")
            .field("config", &self.shared.config)
            .field("paid", &self.shared.cap_free_at().is_some())
            .finish_non_exhaustive()
    }
}
