use std::{fmt, sync::Arc, time::Duration};

use super::{Read, attached::Attached};
use crate::{
    collect::Collect,
    endpoint::{Endpoint, GateHistory, Reason},
    metrics::{
        MetricsLayer, Reading, Recorder, gathered::GatheredEndpoint, recorder::WeakRecorder,
    },
    sync::{Mutex, lock},
    time::Timestamp,
};

/// What is measured of one endpoint of a stage. Clones are the same. It is had from
/// [`StageMetrics::endpoint`](super::StageMetrics::endpoint), and is forgotten by the stage when it, its layers and the
/// services that they made are gone.
#[derive(Clone)]
pub struct EndpointMetrics {
    recorder: Recorder,
    member: Arc<Member>,
}

/// What a stage keeps of an endpoint beside its recorder, which those keep who measure.
#[derive(Debug)]
pub(super) struct Member {
    of: Mutex<Of>,
    attached: Attached,
}

/// Of which endpoint it is.
#[derive(Debug)]
struct Of {
    endpoint: Endpoint,
    labels: Arc<str>,
    /// For how long the gate was closed for each reason, as it was told last.
    closed: [Duration; Reason::ALL.len()],
}

/// An endpoint's place in the stage.
#[derive(Debug)]
pub(super) struct Seat {
    recorder: WeakRecorder,
    member: Arc<Member>,
}

// ===== impl EndpointMetrics =====

impl EndpointMetrics {
    pub(super) fn new(recorder: Recorder, endpoint: Endpoint, labels: Arc<str>) -> Self {
        Self {
            recorder,
            member: Arc::new(Member {
                of: Mutex::new(Of::new(endpoint, labels)),
                attached: Attached::default(),
            }),
        }
    }

    pub(super) fn seat(&self) -> Seat {
        Seat {
            recorder: WeakRecorder::of(&self.recorder),
            member: Arc::clone(&self.member),
        }
    }

    pub(super) fn member(&self) -> &Member {
        &self.member
    }

    /// A layer that measures the calls of this endpoint; [`http`](MetricsLayer::http), [`calls`](MetricsLayer::calls) or
    /// [`protocol`](MetricsLayer::protocol) says how calls are read.
    pub fn layer(&self) -> MetricsLayer {
        MetricsLayer::new(&self.recorder)
    }

    /// Has `what` tell its counts and states with those of the endpoint; see
    /// [`StageMetrics::collect`](super::StageMetrics::collect). It is let go when the endpoint is forgotten.
    pub fn collect(&self, what: impl Collect + 'static) -> &Self {
        self.collect_as("", what)
    }

    /// The same under a name; see [`StageMetrics::collect_as`](super::StageMetrics::collect_as).
    pub fn collect_as(&self, name: &'static str, what: impl Collect + 'static) -> &Self {
        self.member.attached.attach(name, what);
        self
    }

    /// The endpoint.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        lock(&self.member.of).endpoint.clone()
    }

    /// What is recorded of its calls.
    #[must_use]
    pub const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Everything that was recorded of its calls, as it is now.
    #[must_use]
    pub fn read(&self) -> Reading {
        self.recorder.read()
    }

    pub(super) fn gather(&self, now: Timestamp, read: Read<'_>) -> GatheredEndpoint {
        let (endpoint, labels, gates) = lock(&self.member.of).tell(now);
        let (reading, timed) = read(&self.recorder, now);
        GatheredEndpoint {
            gates,
            endpoint,
            labels,
            reading,
            timed,
            samples: self.member.attached.collect(),
        }
    }
}

impl fmt::Debug for EndpointMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointMetrics")
            .field("endpoint", &self.endpoint())
            .field("recorder", &self.recorder)
            .finish_non_exhaustive()
    }
}

// ===== impl Member =====

impl Member {
    /// The newest endpoint of a key is the one whose gate and labels are told.
    pub(super) fn become_of(&self, endpoint: &Endpoint, labels: impl FnOnce() -> Arc<str>) {
        let mut of = lock(&self.of);
        if !of.endpoint.is(endpoint) {
            *of = Of::new(endpoint.clone(), labels());
        }
    }
}

// ===== impl Of =====

impl Of {
    fn new(endpoint: Endpoint, labels: Arc<str>) -> Self {
        Self {
            endpoint,
            labels,
            closed: Default::default(),
        }
    }

    /// The history of its gate. Who opens a gate may have looked at the clock before who reads, and open it after; what was
    /// told then is not taken back, since a collector takes a counter that falls for one that began anew.
    fn tell(&mut self, now: Timestamp) -> (Endpoint, Arc<str>, Vec<GateHistory>) {
        let mut gates: Vec<_> = self.endpoint.gate().history(now).collect();
        for (gate, told) in gates.iter_mut().zip(&mut self.closed) {
            *told = gate.time.max(*told);
            gate.time = *told;
        }
        (self.endpoint.clone(), Arc::clone(&self.labels), gates)
    }
}

// ===== impl Seat =====

impl Seat {
    /// Whether there is anyone left who measures it.
    pub(super) fn is_taken(&self) -> bool {
        self.recorder.get().is_some()
    }

    pub(super) fn take(&self) -> Option<EndpointMetrics> {
        Some(EndpointMetrics {
            recorder: self.recorder.get()?,
            member: Arc::clone(&self.member),
        })
    }

    pub(super) fn into_member(self) -> Arc<Member> {
        self.member
    }
}
