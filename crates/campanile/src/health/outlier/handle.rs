use std::{collections::BTreeMap, sync::Arc};

use super::{
    config::OutlierConfig,
    detector::Detector,
    outliers::{Outliers, Shared},
    snapshot::{OutlierCause, OutlierSnapshot, OutlierStatus},
};
use crate::{
    collect::{Collect, Metric, Sink, Value},
    config::Invalid,
    health::Fleet,
    sync::{Mutex, lock},
    time::Timestamp,
};

static EJECTIONS: Metric = Metric::new("outlier_ejections", "How often a member was ejected.");
static EJECTED: Metric = Metric::new("outlier_ejected", "How many members are ejected.");
static PANICKING: Metric = Metric::new(
    "outlier_panicking",
    "Whether too few members are fit, so that all are used.",
);

/// The outliers of a pool, in the hand. Clones are the same.
///
/// A handle is for one pool: where it makes several, it shows the one that was made last.
///
/// ```
/// use campanile::health::{OutlierConfig, OutlierHandle, OutlierLayer};
///
/// let outliers = OutlierHandle::new(OutlierConfig::default()).unwrap();
/// let layer = OutlierLayer::shared(&outliers);
/// assert_eq!(outliers.snapshot().ejected, 0);
/// # let _ = layer;
/// ```
#[derive(Debug, Clone)]
pub struct OutlierHandle {
    config: OutlierConfig,
    /// The pool that was made last.
    pool: Arc<Mutex<Option<Pool>>>,
}

#[derive(Debug, Clone)]
struct Pool {
    fleet: Fleet,
    shared: Arc<Mutex<Shared>>,
}

// ===== impl OutlierHandle =====

impl OutlierHandle {
    /// A handle for [`OutlierLayer::shared`](super::OutlierLayer::shared).
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: OutlierConfig) -> Result<Self, Invalid> {
        Ok(Self {
            config: config.build()?,
            pool: Arc::default(),
        })
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> OutlierConfig {
        self.config
    }

    /// Everything that is known of the pool and its members now.
    #[must_use]
    pub fn snapshot(&self) -> OutlierSnapshot {
        self.pool()
            .map_or_else(OutlierSnapshot::default, |pool| pool.snapshot())
    }

    /// Whether too few members are fit, so that all are used, ejected or not.
    #[must_use]
    pub fn is_panicking(&self) -> bool {
        self.pool().is_some_and(|pool| pool.fleet.is_panicking())
    }

    /// Looks after the members of a fleet from now on.
    pub(crate) fn watch(&self, fleet: &Fleet) -> Outliers {
        let shared = Arc::new(Mutex::new(Shared {
            detector: Detector::new(self.config),
            watches: BTreeMap::new(),
        }));
        *lock(&self.pool) = Some(Pool {
            fleet: fleet.clone(),
            shared: Arc::clone(&shared),
        });
        Outliers::new(fleet.clone(), shared)
    }

    fn pool(&self) -> Option<Pool> {
        lock(&self.pool).clone()
    }
}

impl Collect for OutlierHandle {
    fn collect(&self, sink: &mut dyn Sink) {
        let pool = self.pool();
        let (mut ejections, mut ejected, mut panicking) = ([0; OutlierCause::ALL.len()], 0, false);
        if let Some(pool) = pool {
            let shared = lock(&pool.shared);
            ejections = *shared.detector.ejections();
            ejected = shared.detector.ejected();
            drop(shared);
            panicking = pool.fleet.is_panicking();
        }
        for (cause, count) in OutlierCause::ALL.into_iter().zip(ejections) {
            let label = Some(("cause", cause.name()));
            sink.sample(&EJECTIONS, label, Value::Counter(count as f64));
        }
        sink.gauge(&EJECTED, ejected as f64);
        sink.gauge(&PANICKING, f64::from(u8::from(panicking)));
    }
}

// ===== impl Pool =====

impl Pool {
    fn snapshot(&self) -> OutlierSnapshot {
        let now = Timestamp::now();
        let panicking = self.fleet.is_panicking();
        let shared = lock(&self.shared);
        let detector = &shared.detector;
        let mut members: Vec<_> = detector
            .members()
            .iter()
            .filter_map(|(id, member)| {
                let watch = shared.watches.get(id)?;
                let sample = watch.sample();
                let ejected_for = member
                    .ejection
                    .map(|ejection| ejection.until.since(now).as_secs_f64());
                Some(OutlierStatus {
                    key: watch.endpoint.key().to_owned(),
                    ejected_for,
                    cause: member.last_cause,
                    ejections: member.ejections,
                    remembered: member.count,
                    calls: member.calls().total(),
                    success_rate: member.calls().rate(),
                    failures_in_row: sample.in_row,
                    latency: sample.latency.map(|latency| latency.as_secs_f64()),
                })
            })
            .collect();
        let snapshot = OutlierSnapshot {
            ejected: detector.ejected(),
            limit: detector.limit(),
            panicking,
            ejections: detector.ejections().iter().sum(),
            members: Vec::new(),
        };
        drop(shared);
        members.sort_by(|a, b| a.key.cmp(&b.key));
        OutlierSnapshot {
            members,
            ..snapshot
        }
    }
}
