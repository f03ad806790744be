//! All that is measured, by stage and endpoint.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    Format, MetricsConfig, MetricsSnapshot, Reading, Recorder,
    gathered::Gathered,
    histogram::slots::Slotted,
    recorder::{Tallies, Told},
    text::{self, Bounds},
};
use crate::{
    config::Invalid,
    sync::{Mutex, lock},
    time::Timestamp,
};

mod attached;
mod endpoint;
mod stage;
#[cfg(all(test, feature = "testing", not(campanile_loom)))]
mod tests;

pub use endpoint::EndpointMetrics;
pub use stage::StageMetrics;

use stage::Stage;

/// All that is measured, by stage and endpoint: bound once to the layers that measure, and read whenever somebody asks.
/// Clones are the same. See the [module](super).
///
/// Who registers or reads takes locks that no call takes, but for that of one recorder at a time, while its
/// counts are copied.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), campanile::BoxError> {
/// use campanile::{Endpoint, metrics::{Metrics, MetricsConfig}};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// let metrics = Metrics::new(MetricsConfig::default().with_labels(["zone"]))?;
/// let stage = metrics.stage("chat");
/// let endpoint = Endpoint::builder("eu-1").label("zone", "eu").build()?;
///
/// // In an endpoint's own stack, that of `PerEndpointLayer`, with the handles of its guards: `.collect(breaker)`.
/// let measured = stage.endpoint(&endpoint);
/// let client = ServiceBuilder::new()
///     .layer(measured.layer())
///     .service_fn(|name: &'static str| async move { Ok::<_, campanile::BoxError>(format!("hello {name}")) });
///
/// // Around the whole.
/// let chat = ServiceBuilder::new().layer(stage.layer()).service(client);
/// chat.oneshot("world").await?;
///
/// let snapshot = metrics.snapshot();
/// assert_eq!(snapshot.stage("chat").unwrap().figures.requests, 1);
/// println!("{snapshot}");
///
/// let text = metrics.prometheus();
/// assert!(text.contains(r#"campanile_endpoint_requests_total{stage="chat",endpoint="eu-1",zone="eu"} 1"#));
/// # drop(measured); Ok(()) }
/// ```
///
/// What is told, under which names and labels, and how a collector scrapes it, is in the [module](super)'s text.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

/// How recorders are read.
type Read<'a> = &'a mut dyn FnMut(&Recorder, Timestamp) -> (Reading, Tallies<Slotted>);

struct Shared {
    config: Arc<MetricsConfig>,
    bounds: Bounds,
    stages: Mutex<BTreeMap<Arc<str>, Arc<Stage>>>,
}

// ===== impl Metrics =====

impl Metrics {
    /// Nothing is measured yet.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: MetricsConfig) -> Result<Self, Invalid> {
        Ok(Self::checked(config.build()?))
    }

    fn checked(config: MetricsConfig) -> Self {
        Self {
            shared: Arc::new(Shared {
                bounds: Bounds::new(&config.buckets),
                config: Arc::new(config),
                stages: Mutex::default(),
            }),
        }
    }

    /// The stage of this name; the same name is the same stage. It stays until it is [forgotten](Self::forget), so a name must come from the program,
    /// never from a request.
    #[must_use]
    pub fn stage(&self, name: &str) -> StageMetrics {
        let mut stages = lock(&self.shared.stages);
        let stage = stages.get(name).cloned().unwrap_or_else(|| {
            let name: Arc<str> = name.into();
            let config = Arc::clone(&self.shared.config);
            let stage = Arc::new(Stage::new(Arc::clone(&name), config));
            stages.insert(name, Arc::clone(&stage));
            stage
        });
        StageMetrics::of(stage)
    }

    /// Forgets a stage, with what is attached to it; says whether there was one. Whoever still holds it counts on, unseen. One that
    /// comes again by this name begins anew.
    pub fn forget(&self, name: &str) -> bool {
        let gone = lock(&self.shared.stages).remove(name);
        // After the lock: what was attached may be anything.
        gone.is_some()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &MetricsConfig {
        &self.shared.config
    }

    /// Everything that was recorded, as it is now.
    #[must_use]
    pub fn snapshot(&self) -> MetricsSnapshot {
        MetricsSnapshot::of(
            &self.gather(&mut |recorder, now| (recorder.read_at(now), Tallies::default())),
        )
    }

    /// Everything that was recorded since the start in the Prometheus text format, whose content type is
    /// [`PROMETHEUS`](super::PROMETHEUS).
    #[must_use]
    pub fn prometheus(&self) -> String {
        self.text(Format::Prometheus)
    }

    /// The same as OpenMetrics text, whose content type is [`OPEN_METRICS`](super::OPEN_METRICS).
    #[must_use]
    pub fn open_metrics(&self) -> String {
        self.text(Format::OpenMetrics)
    }

    /// The same in either format.
    #[must_use]
    pub fn text(&self, format: Format) -> String {
        let mut text = String::new();
        // A `String` takes everything.
        let _ = self.write(format, &mut text);
        text
    }

    /// Writes the same to `out`.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&self, format: Format, out: &mut impl Write) -> fmt::Result {
        let Shared { config, bounds, .. } = &*self.shared;
        let mut told = Told::default();
        let mut read =
            |recorder: &Recorder, now| recorder.read_slotted(now, &bounds.slots, &mut told);
        text::write(&self.gather(&mut read), config, bounds, format, out)
    }

    /// Everything as it is now, each stage and endpoint read once.
    fn gather(&self, read: Read<'_>) -> Gathered {
        let stages: Vec<_> = lock(&self.shared.stages).values().cloned().collect();
        let now = Timestamp::now();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Gathered {
            now,
            unix: unix.map_or(0.0, |unix| unix.as_secs_f64()),
            stages: stages.iter().map(|stage| stage.gather(now, read)).collect(),
        }
    }
}

impl Default for Metrics {
    /// Of the default settings.
    fn default() -> Self {
        Self::checked(MetricsConfig::default())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages = lock(&self.shared.stages);
        f.debug_struct("Metrics")
            .field("config", &self.shared.config)
            .field("stages", &stages.keys())
            .finish()
    }
}
