//! The shortest queue by speed, on the endpoints' own reports of their load.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    LoadReport, Peer, Pick, Prepare, Strategy, View,
    few::{Few, draw, draw_at_most},
    probe::{Candidate, Limits, NoProbes, Prober, Ranked, ReportPool, ReportSource, Reported},
    sample_least,
};
use crate::{config::Invalid, time::Timestamp};

mod config;
mod score;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

pub use config::WjsqConfig;

use score::{Rule, Signal, best_two};

/// How long a report on a response is believed before its endpoint's calls have been timed.
const FIRST_BELIEF: Duration = Duration::from_secs(10);

/// The shortest queue weighted by speed (WJSQ), on load that the endpoints report.
///
/// A report says how many calls are in progress at an endpoint, everybody's, and the present time per unit of work (per
/// token). The law `time per unit ~ 1 + calls / k` turns that into the endpoint's slowness when it is alone,
/// `s = t / (1 + calls / k)`, and the pick is the least `s (calls + 1 + hidden) / weight`. Where an endpoint does not
/// report its calls, our own count; where it does not report its time, the mean of the others does. Reports see the
/// calls of clients that do not see each other: with many of those this comes close to one queue for all.
///
/// Reports come in three ways:
///
/// - [`probing`](Self::probing): each call probes four members and the last runner-up, waits for all answers but the
///   slowest, at most for [`WjsqConfig::probe_timeout`], and picks among those that answered. Best where a probe takes
///   less than some 2 % of a call.
/// - [`pooled`](Self::pooled): each call sends three probes in the background, for calls to come, and picks among 16
///   reports at most. A report is used once and lives for one mean call of its endpoint; each pick removes the oldest
///   or the worst, in turn.
/// - [`piggybacked`](Self::piggybacked): reports come on responses
///   ([`BalanceLayer::reports`](crate::balance::BalanceLayer::reports)). The last one of each endpoint is corrected by
///   our own calls since, and gives way to our own view over two mean calls.
///
/// Without an answer, or with fewer than two reports in the pool, the less loaded of two members is picked, by our own
/// calls in flight. Probes that are not answered in time are dropped, and so are all probes of a call that is cancelled
/// while it waits for them.
///
/// ```
/// use campanile::balance::{BalanceLayer, LoadReport, Wjsq};
/// use campanile::Endpoint;
///
/// let ask = |endpoint: &Endpoint| {
///     let calls = endpoint.in_flight(); // or ask it over the network
///     async move { Some(LoadReport { in_flight: Some(calls), ..LoadReport::default() }) }
/// };
/// let layer = BalanceLayer::new(Wjsq::probing(ask));
/// # let _ = layer;
/// ```
pub struct Wjsq<S = NoProbes> {
    rule: Rule,
    config: WjsqConfig,
    mode: Mode<S>,
}

enum Mode<S> {
    Probing {
        prober: Prober<S>,
        /// One more than the index of the second best of the latest pick; zero when there was none. Only a hint.
        runner_up: AtomicUsize,
    },
    Pooled {
        prober: Prober<S>,
        pool: Arc<ReportPool>,
    },
    Piggybacked,
}

// ===== impl Wjsq =====

impl<S: ReportSource> Wjsq<S> {
    /// Each call probes and waits.
    #[must_use]
    pub fn probing(source: S) -> Self {
        Self::with_mode(Mode::Probing {
            prober: Prober::new(source),
            runner_up: AtomicUsize::new(0),
        })
    }

    /// Each call probes for calls to come. Needs a tokio runtime; picks outside of one send no probes.
    #[must_use]
    pub fn pooled(source: S) -> Self {
        Self::with_mode(Mode::Pooled {
            prober: Prober::new(source),
            pool: Arc::new(ReportPool::new()),
        })
    }
}

impl Wjsq {
    /// Reports come on responses.
    #[must_use]
    pub fn piggybacked() -> Self {
        Self::with_mode(Mode::Piggybacked)
    }
}

impl<S> Wjsq<S> {
    fn with_mode(mode: Mode<S>) -> Self {
        let config = WjsqConfig::default();
        Self {
            rule: Rule::new(&config),
            config,
            mode,
        }
    }

    /// Sets how to probe and score.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn config(mut self, config: WjsqConfig) -> Result<Self, Invalid> {
        self.config = config.build()?;
        self.rule = Rule::new(&self.config);
        Ok(self)
    }

    /// Among those that answered.
    fn pick_probed<V: View<Reported>>(&self, view: &V, runner_up: &AtomicUsize) -> Option<usize> {
        let mut signals = Few::new();
        for probed in view.probed() {
            let index = probed.index;
            if index < view.len()
                && probed.endpoint.is(view.endpoint(index))
                && let Some(own) = view.load(index)
            {
                signals.push(
                    self.rule
                        .signal(index, own, &probed.report, view.weight(index)),
                );
            }
        }
        let (best, second) = best_two(&self.rule.scores(&signals))?;
        // A plain store, and only if it changes: what is kept is a hint.
        let hint = second.map_or(0, |index| index + 1);
        if runner_up.load(Ordering::Relaxed) != hint {
            runner_up.store(hint, Ordering::Relaxed);
        }
        Some(best)
    }

    fn pick_pooled<V: View<Reported>>(&self, view: &V, pool: &ReportPool) -> Option<usize> {
        let limits = Limits {
            size: self.config.pool,
            max_age: None,
            remove: 1,
            uses: 1,
        };
        pool.pick(view, limits, |candidates, _| self.rank(view, candidates))
    }

    fn rank<V: View<Reported>>(&self, view: &V, candidates: &[Candidate]) -> Ranked {
        let mut signals = Few::new();
        for (place, candidate) in candidates.iter().enumerate() {
            let weight = view.weight(candidate.index);
            signals.push(
                self.rule
                    .signal(place, candidate.own, &candidate.report, weight),
            );
        }
        let scores = self.rule.scores(&signals);
        Ranked {
            best: best_two(&scores).map_or(0, |(best, _)| best),
            worst: scores
                .iter()
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .map_or(0, |(worst, _)| *worst),
        }
    }

    /// Among random members, or all of a small pool, by what they reported last.
    fn pick_reported<V: View<Reported>>(&self, view: &V) -> Option<usize> {
        let mut signals = Few::new();
        for (index, own) in draw(view, self.config.probes).iter().copied() {
            signals.push(self.reported(view, index, own));
        }
        best_two(&self.rule.scores(&signals)).map(|(best, _)| best)
    }

    fn reported<V: View<Reported>>(&self, view: &V, index: usize, own: u32) -> Signal {
        let weight = view.weight(index);
        let state = view.state(index);
        let Some((at, report)) = state.load() else {
            return self.rule.signal(index, own, &LoadReport::default(), weight);
        };
        let mean = view.endpoint(index).measurements().total().average();
        let believed = mean.map_or(FIRST_BELIEF, |mean| mean * 2);
        let age = view.now().since(at).as_secs_f64();
        let belief = (1.0 - age / believed.as_secs_f64()).max(0.0);
        let mut signal = self.rule.signal(index, own, &report, weight);
        // What it reported and our own calls since, giving way to our own calls alone.
        let own_now = f64::from(own);
        let others = report
            .in_flight
            .map_or(0.0, |count| f64::from(count) - f64::from(state.own()));
        signal.in_flight = own_now + belief * others.max(0.0);
        signal.belief = belief;
        signal
    }
}

impl<S> fmt::Debug for Wjsq<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reports = match self.mode {
            Mode::Probing { .. } => "probing",
            Mode::Pooled { .. } => "pooled",
            Mode::Piggybacked => "piggybacked",
        };
        f.debug_struct("Wjsq")
            .field("reports", &reports)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl<S: ReportSource> Strategy for Wjsq<S> {
    type State = Reported;

    fn report(&self, peer: Peer<'_, Reported>, now: Timestamp, report: &LoadReport) {
        peer.state.store(now, peer.endpoint.in_flight(), report);
    }

    fn inspect(&self, peer: Peer<'_, Reported>, show: &mut dyn FnMut(&'static str, f64)) {
        if let Some((_, report)) = peer.state.load() {
            if let Some(count) = report.in_flight {
                show("reported_in_flight", f64::from(count));
            }
            if let Some(time) = report.time_per_unit {
                show("reported_seconds_per_unit", time.as_secs_f64());
            }
        }
    }
}

impl<Req, S: ReportSource> Pick<Req> for Wjsq<S> {
    fn pick<V: View<Reported>>(&self, view: &V, _request: &Req) -> Option<usize> {
        let picked = match &self.mode {
            Mode::Probing { runner_up, .. } => self.pick_probed(view, runner_up),
            Mode::Pooled { pool, .. } => self.pick_pooled(view, pool),
            Mode::Piggybacked => self.pick_reported(view),
        };
        picked.or_else(|| sample_least(view, 2, |_, seen| (seen.load + 1) as f32 / seen.weight))
    }

    fn prepare<V: View<Reported>>(&self, view: &V, _request: &Req) -> Option<Prepare> {
        match &self.mode {
            Mode::Probing { prober, runner_up } => {
                let mut targets = draw_at_most(view, self.config.probes);
                let hint = runner_up.load(Ordering::Relaxed);
                if (1..=view.len()).contains(&hint)
                    && targets.iter().all(|(index, _)| *index != hint - 1)
                    && let Some(load) = view.load(hint - 1)
                {
                    targets.push((hint - 1, load));
                }
                // One alone needs no comparison.
                (targets.len() > 1).then(|| {
                    let targets = targets
                        .iter()
                        .map(|(index, _)| (*index, view.endpoint(*index).clone()));
                    Box::pin(prober.ask(targets, self.config.probe_timeout)) as Prepare
                })
            }
            Mode::Pooled { prober, pool } => {
                prober.ask_for(
                    pool,
                    view,
                    self.config.pool_probes,
                    self.config.probe_timeout,
                );
                None
            }
            Mode::Piggybacked => None,
        }
    }
}
