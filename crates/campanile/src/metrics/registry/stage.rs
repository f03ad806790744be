use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    sync::Arc,
};

use super::{
    EndpointMetrics, Read,
    attached::Attached,
    endpoint::{Member, Seat},
};
use crate::{
    collect::Collect,
    endpoint::Endpoint,
    metrics::{
        MetricsConfig, MetricsLayer, Reading, Recorder, gathered::GatheredStage, text::escape,
    },
    sync::{Mutex, lock},
    time::Timestamp,
};

/// What is measured of one stage. Clones are the same. It is had from [`Metrics::stage`](super::Metrics::stage).
#[derive(Clone)]
pub struct StageMetrics {
    stage: Arc<Stage>,
}

#[derive(Debug)]
pub(super) struct Stage {
    name: Arc<str>,
    labels: Arc<str>,
    recorder: Recorder,
    attached: Attached,
    config: Arc<MetricsConfig>,
    members: Mutex<Members>,
}

/// The endpoints, by key.
#[derive(Debug, Default)]
struct Members {
    seats: BTreeMap<Arc<str>, Seat>,
    /// How many there may be before those that are gone are looked for.
    sweep_at: usize,
}

// ===== impl StageMetrics =====

impl StageMetrics {
    pub(super) const fn of(stage: Arc<Stage>) -> Self {
        Self { stage }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.stage.name
    }

    /// A layer that measures the calls of this stage; [`http`](MetricsLayer::http), [`calls`](MetricsLayer::calls) or
    /// [`protocol`](MetricsLayer::protocol) says how calls are read. It notes in the context of each call when it came, so
    /// that endpoints further in know how long it waited; see [`stamp`](MetricsLayer::stamp).
    pub fn layer(&self) -> MetricsLayer {
        MetricsLayer::new(&self.stage.recorder).stamp(true)
    }

    /// What is measured of an endpoint of this stage, once for each key. An endpoint that comes again while a layer, a
    /// service or a handle of its former self is left goes on with its counts; otherwise it begins anew. When none is left,
    /// it is forgotten.
    #[must_use]
    pub fn endpoint(&self, endpoint: &Endpoint) -> EndpointMetrics {
        self.stage.endpoint(endpoint)
    }

    /// Has `what` tell its counts and states with those of the stage: a breaker's handle, a limit's, a budget. The one of
    /// its type that was attached before is let go, so a stack may be built anew. It is kept alive; attach a
    /// [`Weak`](std::sync::Weak) otherwise.
    pub fn collect(&self, what: impl Collect + 'static) -> &Self {
        self.collect_as("", what)
    }

    /// The same under a name, which is a label of its samples, so that several of one type can be attached: the budget of
    /// retries, and that of hedges.
    pub fn collect_as(&self, name: &'static str, what: impl Collect + 'static) -> &Self {
        self.stage.attached.attach(name, what);
        self
    }

    /// What is recorded of its calls.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.stage.recorder
    }

    /// Everything that was recorded of its calls, as it is now.
    #[must_use]
    pub fn read(&self) -> Reading {
        self.stage.recorder.read()
    }
}

impl fmt::Debug for StageMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StageMetrics")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

// ===== impl Stage =====

impl Stage {
    pub(super) fn new(name: Arc<str>, config: Arc<MetricsConfig>) -> Self {
        let mut labels = String::new();
        label(&mut labels, "stage", &name);
        Self {
            labels: labels.into(),
            recorder: Recorder::with_latest(config.latest),
            attached: Attached::default(),
            name,
            config,
            members: Mutex::default(),
        }
    }

    fn endpoint(&self, endpoint: &Endpoint) -> EndpointMetrics {
        let mut members = lock(&self.members);
        let known = members.seats.get(endpoint.key()).and_then(Seat::take);
        let (gone, metrics) = match known {
            Some(metrics) => (Vec::new(), metrics),
            None => {
                let recorder = self.recorder.of_endpoint(self.config.latest);
                let metrics = EndpointMetrics::new(recorder, endpoint.clone(), self.text(endpoint));
                (members.insert(endpoint.key().into(), &metrics), metrics)
            }
        };
        metrics.member().become_of(endpoint, || self.text(endpoint));
        drop(members);
        // After the lock: what was attached may be anything.
        drop(gone);
        metrics
    }

    /// The labels of an endpoint as they are written down.
    fn text(&self, endpoint: &Endpoint) -> Arc<str> {
        let mut text = self.labels.to_string();
        label(&mut text, "endpoint", endpoint.key());
        for name in &self.config.labels {
            label(&mut text, name, endpoint.label(name).unwrap_or_default());
        }
        text.into()
    }

    pub(super) fn gather(&self, now: Timestamp, read: Read<'_>) -> GatheredStage {
        let (present, gone) = {
            let mut members = lock(&self.members);
            let gone = members.sweep();
            let present: Vec<_> = members.seats.values().filter_map(Seat::take).collect();
            (present, gone)
        };
        drop(gone);
        let endpoints = present
            .iter()
            .map(|endpoint| endpoint.gather(now, read))
            .collect();
        let (reading, timed) = read(&self.recorder, now);
        GatheredStage {
            name: Arc::clone(&self.name),
            labels: Arc::clone(&self.labels),
            reading,
            timed,
            samples: self.attached.collect(),
            endpoints,
        }
    }
}

fn label(text: &mut String, name: &str, value: &str) {
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(name);
    text.push_str("=\"");
    // A `String` takes everything.
    let _ = escape(text, value);
    let _ = text.write_char('"');
}

// ===== impl Members =====

impl Members {
    /// Returns those that are gone, as [`sweep`](Self::sweep) does, now and then: what it costs is shared by those that
    /// came since the last time.
    fn insert(&mut self, key: Arc<str>, metrics: &EndpointMetrics) -> Vec<Arc<Member>> {
        let gone = if self.seats.len() >= self.sweep_at {
            self.sweep()
        } else {
            Vec::new()
        };
        let before = self.seats.insert(key, metrics.seat());
        gone.into_iter()
            .chain(before.map(Seat::into_member))
            .collect()
    }

    /// Forgets those that nobody measures any more, and returns what was kept of them.
    fn sweep(&mut self) -> Vec<Arc<Member>> {
        /// So few are not worth a look.
        const FEW: usize = 64;
        let seats = self.seats.iter().filter(|(_, seat)| !seat.is_taken());
        let keys: Vec<_> = seats.map(|(key, _)| Arc::clone(key)).collect();
        let gone = keys.iter().filter_map(|key| self.seats.remove(key));
        let gone = gone.map(Seat::into_member).collect();
        self.sweep_at = (self.seats.len() * 2).max(FEW);
        gone
    }
}
