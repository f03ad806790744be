use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use super::{EbwConfig, sums::Sums};
use crate::{
    balance::strategy::pace::{Float, decay, load, seconds, store},
    time::Timestamp,
};

/// The fleet remembers so much longer than one endpoint.
const LONGER: f64 = 4.0;

/// How often at most an endpoint adds up its time within `tau`. Events that follow each other faster than this are of an
/// endpoint that does hundreds of calls in that time, or of one whose calls are far shorter than the least `tau`.
const QUANTA: f64 = 256.0;

/// The weight of the newest sample in the mean call.
const NEWEST: f64 = 1.0 / 16.0;

/// Another mean call changes the time constant only by more than this share of it.
const NOTABLE: f64 = 0.05;

/// Fewer calls than this are no basis; then nothing fades any more.
const LEAST_CALLS: f64 = 1e-3;

/// What is known of all endpoints together. Written only when one of them publishes; racing writers may lose a sample.
#[derive(Debug)]
pub(super) struct Fleet {
    /// Read by every event, so apart from what is written often.
    tau: CachePadded<Tau>,
    sums: CachePadded<FleetSums>,
}

#[derive(Debug)]
struct Tau {
    /// Seconds.
    seconds: Float,
    /// Nanoseconds: a small share of it.
    quantum: AtomicU64,
}

#[derive(Debug, Default)]
struct FleetSums {
    at: AtomicU64,
    busy: Float,
    work: Float,
    calls: Float,
    mean_call: Float,
}

/// The slowness of an endpoint of which nothing is known, and the work of a mean call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prior {
    pub(super) slowness: f64,
    pub(super) work: f64,
}

// ===== impl Fleet =====

impl Fleet {
    pub(super) fn new(config: &EbwConfig) -> Self {
        Self {
            tau: CachePadded::new(Tau::new(config.initial_tau.as_secs_f64())),
            sums: CachePadded::default(),
        }
    }

    /// The time constant of the endpoints' sums.
    #[inline]
    pub(super) fn tau(&self) -> f64 {
        load(&self.tau.seconds)
    }

    /// Times shorter than this, in nanoseconds, are not told apart.
    #[inline(always)]
    pub(super) fn quantum(&self) -> u64 {
        self.tau.quantum.load(Ordering::Relaxed)
    }

    /// Adds what one endpoint has done since it last told, and its mean call in seconds.
    pub(super) fn add(
        &self,
        now: Timestamp,
        done: Sums,
        calls: u64,
        mean_call: Option<f64>,
        config: &EbwConfig,
    ) {
        let sums = &*self.sums;
        let then = Timestamp::from_nanos(sums.at.load(Ordering::Relaxed));
        let (mut kept, _) = decay(seconds(then, now) / (LONGER * self.tau()));
        if load(&sums.calls) * kept < LEAST_CALLS {
            kept = 1.0;
        }
        store(&sums.busy, load(&sums.busy) * kept + done.busy);
        store(&sums.work, load(&sums.work) * kept + done.work);
        store(&sums.calls, load(&sums.calls) * kept + calls as f64);
        sums.at.store(now.max(then).as_nanos(), Ordering::Relaxed);
        if let Some(sample) = mean_call {
            self.follow(sample, config);
        }
    }

    fn follow(&self, sample: f64, config: &EbwConfig) {
        let mean = load(&self.sums.mean_call);
        let mean = if mean > 0.0 {
            mean + NEWEST * (sample - mean)
        } else {
            sample
        };
        store(&self.sums.mean_call, mean);
        let tau = (config.memory * mean).max(config.min_tau.as_secs_f64());
        if (tau - self.tau()).abs() > NOTABLE * self.tau() {
            self.tau.set(tau);
        }
    }

    /// `None` before any work is done.
    pub(super) fn prior(&self) -> Option<Prior> {
        let [busy, work, calls] = [&self.sums.busy, &self.sums.work, &self.sums.calls].map(load);
        let slowness = busy / work;
        (slowness.is_finite() && slowness > 0.0).then(|| Prior {
            slowness,
            // Streams that flow and never end yet: call one of them a unit.
            work: if calls > 0.0 { work / calls } else { 1.0 },
        })
    }
}

// ===== impl Tau =====

impl Tau {
    fn new(seconds: f64) -> Self {
        let tau = Self {
            seconds: Float::default(),
            quantum: AtomicU64::new(0),
        };
        tau.set(seconds);
        tau
    }

    fn set(&self, seconds: f64) {
        store(&self.seconds, seconds);
        self.quantum
            .store((seconds * 1e9 / QUANTA) as u64, Ordering::Relaxed);
    }
}
