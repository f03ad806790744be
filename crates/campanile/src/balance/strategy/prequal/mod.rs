//! Prequal's hot-cold rule, on time per unit of work.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use super::{
    End, LoadReport, Peer, Pick, Prepare, Strategy, View,
    few::{Few, draw},
    probe::{Candidate, Limits, NoProbes, Prober, Ranked, ReportPool, ReportSource},
    sample_least,
};
use crate::{config::Invalid, time::Timestamp};

mod config;
mod hot_cold;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

pub use config::PrequalConfig;

use hot_cold::{Signal, hot_cold, quantile};

/// How many members are looked at for the threshold of hotness.
const LOOKED_AT: usize = 32;
/// One pick in how many looks.
const SELDOM: usize = 32;
/// What the newest sample weighs in the mean of an endpoint's time per unit.
const NEWEST: f64 = 0.1;

/// The hot-cold rule: members with more calls in flight than 84 % of the others are hot; of those that are not the
/// fastest is picked, and if all are hot the one with the fewest calls.
///
/// The rule is of Wydrowski et al., "Load is not what you should balance: Introducing Prequal" (NSDI 2024); fast means
/// here time per unit of work, not per call, since the length of calls to language models says more of the request than
/// of the endpoint. Units are those of the answer's body or stream, or else the output tokens that the upstream
/// reported, or else the call is one unit. Calls in flight and time count by weight.
///
/// - [`new`](Self::new) compares five random members (all of a pool of 16 at most) by our own calls in flight and our
///   own mean of time per unit, or what the endpoint reports on its responses.
/// - [`probing`](Self::probing) sends three probes a call in the background and compares up to 16 late reports. A report
///   may be used more than once; each use counts as one more call in flight. With fewer than two reports the less loaded
///   of two random members is picked.
///
/// Where endpoints report their load [`Wjsq`](super::Wjsq) does better in most cases.
///
/// ```
/// use campanile::balance::{BalanceLayer, Prequal};
///
/// let layer = BalanceLayer::new(Prequal::new());
/// # let _ = layer;
/// ```
pub struct Prequal<S = NoProbes> {
    config: PrequalConfig,
    probes: Option<(Prober<S>, Arc<ReportPool>)>,
    /// The bits of an `f32`: more calls in flight by weight than this are hot. Seldom written.
    threshold: AtomicU32,
}

/// What [`Prequal`] keeps of an endpoint.
#[derive(Default)]
pub struct PrequalState {
    /// The bits of an `f64`: the mean of seconds per unit; zero before the first. Samples that come at once may be lost.
    per_unit: AtomicU64,
    /// Whether the endpoint says its time itself; ours is of another kind then, perhaps of another unit.
    reported: AtomicBool,
}

// ===== impl Prequal =====

impl Prequal {
    /// By our own view.
    #[must_use]
    pub fn new() -> Self {
        Self::with_probes(None)
    }
}

impl Default for Prequal {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: ReportSource> Prequal<S> {
    /// By probes in the background. Needs a tokio runtime; picks outside of one send no probes.
    #[must_use]
    pub fn probing(source: S) -> Self {
        Self::with_probes(Some((Prober::new(source), Arc::new(ReportPool::new()))))
    }
}

impl<S> Prequal<S> {
    fn with_probes(probes: Option<(Prober<S>, Arc<ReportPool>)>) -> Self {
        Self {
            config: PrequalConfig::default(),
            probes,
            threshold: AtomicU32::new(f32::NAN.to_bits()),
        }
    }

    /// Sets how to probe and pick.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn config(mut self, config: PrequalConfig) -> Result<Self, Invalid> {
        self.config = config.build()?;
        Ok(self)
    }

    fn pick_own<V: View<PrequalState>>(&self, view: &V) -> Option<usize> {
        let mut signals = Few::new();
        for (index, load) in draw(view, self.config.choices).iter().copied() {
            let latency = view.state(index).per_unit();
            signals.push(signal(index, load, latency, view.weight(index)));
        }
        let threshold = self.threshold(view);
        hot_cold(&signals, threshold).map(|(best, _)| best)
    }

    /// The quantile of calls in flight, looked up now and then.
    fn threshold<V: View<PrequalState>>(&self, view: &V) -> f64 {
        let known = f32::from_bits(self.threshold.load(Ordering::Relaxed));
        // A small pool has few members to look at, and each call counts.
        if view.len() > LOOKED_AT && !known.is_nan() && view.random(SELDOM) != 0 {
            return f64::from(known);
        }
        let mut loads = [0.0; LOOKED_AT];
        let mut count = 0;
        for nth in 0..view.len().min(LOOKED_AT) {
            let index = if view.len() <= LOOKED_AT {
                nth
            } else {
                view.random(view.len())
            };
            if let Some(load) = view.load(index) {
                loads[count] = f64::from(load) / f64::from(view.weight(index));
                count += 1;
            }
        }
        loads[..count].sort_unstable_by(f64::total_cmp);
        let threshold = quantile(&loads[..count], self.config.hot_quantile);
        if view.len() > LOOKED_AT {
            self.threshold
                .store((threshold as f32).to_bits(), Ordering::Relaxed);
        }
        threshold
    }

    fn pick_pooled<V: View<PrequalState>>(&self, view: &V, pool: &ReportPool) -> Option<usize> {
        let (size, uses) = self.config.plan(view.len());
        // Rounded up as often as its fraction says.
        let extra = (view.random(1 << 16) as f64) < uses.fract() * f64::from(1 << 16);
        let limits = Limits {
            size,
            max_age: Some(self.config.max_age),
            remove: self.config.remove,
            uses: uses as u32 + u32::from(extra),
        };
        pool.pick(view, limits, |candidates, history| {
            self.rank(view, candidates, history)
        })
    }

    fn rank<V: View<PrequalState>>(
        &self,
        view: &V,
        candidates: &[Candidate],
        history: &[u32],
    ) -> Ranked {
        let mut signals = Few::new();
        for (place, candidate) in candidates.iter().enumerate() {
            let report = &candidate.report;
            let calls = report.in_flight.unwrap_or(0).max(candidate.own);
            let latency = report
                .time_per_unit
                .map(|time| time.as_secs_f64())
                .or_else(|| view.state(candidate.index).per_unit());
            signals.push(signal(place, calls, latency, view.weight(candidate.index)));
        }
        let mut calls = [0.0; 64];
        let count = history.len().min(calls.len());
        for (sorted, reported) in calls.iter_mut().zip(history) {
            *sorted = f64::from(*reported);
        }
        calls[..count].sort_unstable_by(f64::total_cmp);
        let threshold = quantile(&calls[..count], self.config.hot_quantile);
        let (best, worst) = hot_cold(&signals, threshold).unwrap_or((0, 0));
        Ranked { best, worst }
    }
}

fn signal(name: usize, calls: u32, latency: Option<f64>, weight: f32) -> Signal {
    let weight = f64::from(weight);
    Signal {
        name,
        in_flight: f64::from(calls) / weight,
        latency: latency.map(|latency| latency / weight),
    }
}

impl<S> fmt::Debug for Prequal<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prequal")
            .field("probes", &self.probes.is_some())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl<S: ReportSource> Strategy for Prequal<S> {
    type State = PrequalState;

    fn report(&self, peer: Peer<'_, PrequalState>, _now: Timestamp, report: &LoadReport) {
        if let Some(time) = report.time_per_unit {
            if !peer.state.reported.load(Ordering::Relaxed) {
                peer.state.reported.store(true, Ordering::Relaxed);
                peer.state.per_unit.store(0, Ordering::Relaxed);
            }
            peer.state.record(time.as_secs_f64());
        }
    }

    fn end(&self, peer: Peer<'_, PrequalState>, end: &End<'_>) {
        if !end.outcome.is_timed() || peer.state.reported.load(Ordering::Relaxed) {
            return;
        }
        let tokens = || end.usage.and_then(|usage| usage.output_tokens);
        let units = match end.units {
            0 => tokens().unwrap_or(1).max(1),
            units => units,
        };
        peer.state
            .record(end.elapsed().as_secs_f64() / units as f64);
    }

    fn inspect(&self, peer: Peer<'_, PrequalState>, show: &mut dyn FnMut(&'static str, f64)) {
        if let Some(seconds) = peer.state.per_unit() {
            show("seconds_per_unit", seconds);
        }
    }
}

impl<Req, S: ReportSource> Pick<Req> for Prequal<S> {
    fn pick<V: View<PrequalState>>(&self, view: &V, _request: &Req) -> Option<usize> {
        let picked = match &self.probes {
            Some((_, pool)) => self.pick_pooled(view, pool),
            None => self.pick_own(view),
        };
        picked.or_else(|| sample_least(view, 2, |_, seen| (seen.load + 1) as f32 / seen.weight))
    }

    fn prepare<V: View<PrequalState>>(&self, view: &V, _request: &Req) -> Option<Prepare> {
        if let Some((prober, pool)) = &self.probes {
            prober.ask_for(pool, view, self.config.probes, self.config.probe_timeout);
        }
        None
    }
}

// ===== impl PrequalState =====

impl PrequalState {
    fn per_unit(&self) -> Option<f64> {
        let seconds = f64::from_bits(self.per_unit.load(Ordering::Relaxed));
        (seconds > 0.0).then_some(seconds)
    }

    fn record(&self, seconds: f64) {
        let seconds = seconds.max(1e-9);
        let mean = self
            .per_unit()
            .map_or(seconds, |mean| mean + NEWEST * (seconds - mean));
        self.per_unit.store(mean.to_bits(), Ordering::Relaxed);
    }
}

impl fmt::Debug for PrequalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrequalState")
            .field("seconds_per_unit", &self.per_unit())
            .finish()
    }
}
