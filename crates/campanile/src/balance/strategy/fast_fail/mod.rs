//! The guard against fast failure.
//!
//! **State.** Beside the inner strategy's state, each endpoint has a guard: failures in a row, the share of successes
//! of the last 30 s, and whether it is in service, ejected, or on trial. What ejects and for how long is in
//! [`FastFailConfig`]. The rules and their defaults are those of a unified breaker (linkerd2-proxy's `unified.rs`) with
//! times in mean calls, since "fast" means nothing else.
//!
//! **Readiness.** An ejected endpoint's gate is closed for [`Reason::FastFail`] and opens by itself. The first call
//! after that is a trial: while it lasts the gate is closed again; its success puts the endpoint back in service, its
//! failure ejects it for twice as long. Calls that began earlier decide nothing. When half of the members are out,
//! further ones stay in service whatever they do.
//!
//! **Refusals.** An upstream that asks to be left alone for some time (`Retry-After`) is, for just that time, however
//! many members are left, and this is no ejection: no trial follows.
//!
//! **Pardons.** Who opens the gate of an endpoint for [`Reason::FastFail`], as an operator may, puts it back in service: what ejected
//! it is forgotten when the next call ends that tells something.
//!
//! **Cancellation.** A call that is cancelled counts neither way; a trial that is cancelled is given back: the next call
//! is the trial.
//!
//! **Cost.** A call that succeeds at an endpoint in good order reads one number as it begins and the same as it ends.
//! All else, a mutex of the endpoint's own included, is for failures and for one success in three seconds.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{Adapt, Adapter, Begin, End, LoadReport, Peer, Pick, Prepare, Strategy, View};
use crate::{
    config::Invalid,
    endpoint::{GateHandle, Reason},
    outcome::Outcome,
    time::{Timestamp, nanos},
};

mod config;
mod fleet;
mod guard;
mod state;
#[cfg(all(test, not(campanile_loom)))]
mod tests;
mod window;

pub use config::FastFailConfig;
pub use state::FastFailState;

use fleet::Fleet;
use guard::{Ended, Guard, Step, Verdict};
use state::Place;

/// Any strategy, guarded against endpoints that fail, above all against those that fail fast.
///
/// To count in flight and to time calls both make an endpoint that fails at once look idle and quick, so it attracts
/// all traffic. [`BalanceLayer::new`](crate::balance::BalanceLayer::new) puts this guard around its strategy. Two
/// failures in a row that took less than 5 % of the mean call, five of any kind, or fewer than 60 % successes in 30 s
/// eject an endpoint for one mean call; see [`FastFailConfig`] for every number, and the comments of this strategy's
/// module for the rules.
///
/// ```
/// use campanile::balance::{BalanceLayer, FastFail, FastFailConfig, LeastLoaded};
///
/// let config = FastFailConfig { consecutive: 3, ..FastFailConfig::default() };
/// let layer = BalanceLayer::bare(FastFail::with_config(LeastLoaded::default(), config)?);
/// # let _ = layer;
/// # Ok::<(), campanile::config::Invalid>(())
/// ```
#[derive(Debug, Default)]
pub struct FastFail<St> {
    inner: St,
    config: FastFailConfig,
    fleet: Arc<Fleet>,
}

struct Through;

// ===== impl FastFail =====

impl<St> FastFail<St> {
    /// Guards `inner`.
    #[must_use]
    pub fn new(inner: St) -> Self {
        Self {
            inner,
            config: FastFailConfig::default(),
            fleet: Arc::default(),
        }
    }

    /// Guards `inner` by other numbers.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn with_config(inner: St, config: FastFailConfig) -> Result<Self, Invalid> {
        Ok(Self {
            config: config.build()?,
            ..Self::new(inner)
        })
    }

    /// Sets how long an upstream's `Retry-After` is believed at most; 0 for not at all.
    #[must_use]
    pub const fn with_max_retry_after(mut self, time: Duration) -> Self {
        self.config.max_retry_after = time;
        self
    }

    /// The guarded strategy.
    pub const fn inner(&self) -> &St {
        &self.inner
    }

    fn bucket_nanos(&self) -> u64 {
        (nanos(self.config.window) / 10).max(1)
    }

    fn mean_call(&self) -> Duration {
        self.fleet
            .mean_call()
            .unwrap_or(self.config.assumed_mean_call)
    }

    fn verdict(&self, end: &End<'_>) -> Verdict {
        match end.outcome {
            Outcome::Success => Verdict::Success,
            Outcome::Ignored | Outcome::Cancelled => Verdict::Neither,
            refusal if refusal.retry_after().is_some_and(|after| !after.is_zero()) => {
                let asked = refusal.retry_after().unwrap_or_default();
                let late = 1.0 + self.config.retry_after_jitter * fastrand::f64();
                let after = asked.min(self.config.max_retry_after).mul_f64(late);
                Verdict::Refused(end.now.after(after))
            }
            Outcome::Throttled { .. } => Verdict::Throttled,
            _ => Verdict::Failure {
                fast: end.elapsed().as_secs_f64()
                    < self.config.fast_share * self.mean_call().as_secs_f64(),
            },
        }
    }

    /// How long an ejection lasts.
    fn ejection(&self, doublings: u32) -> Duration {
        let doubled = self.mean_call().as_secs_f64()
            * f64::from(1_u32 << doublings.min(self.config.max_doublings));
        let jittered = doubled * (1.0 + self.config.jitter * (2.0 * fastrand::f64() - 1.0));
        let most = self.config.max_ejection.as_secs_f64();
        Duration::from_secs_f64(jittered.min(most)).max(self.config.min_ejection)
    }

    /// A call begins while there is trouble.
    #[cold]
    fn begin_troubled<T>(&self, peer: Peer<'_, FastFailState<T>>, begin: &Begin) {
        let mut guard = peer.state.lock();
        if !guard.begin(begin.now) {
            return;
        }
        // The rest of the pool must do without the endpoint while it is on trial: only if it can be spared.
        if let Some(place) = peer.state.place.get()
            && self.fleet.take_place(
                place.id,
                peer.endpoint,
                Timestamp::MAX,
                begin.now,
                &self.config,
            )
        {
            peer.endpoint.gate().close(Reason::FastFail);
        }
    }

    /// A call ends that failed, or that succeeded while there was trouble or at the beginning of a bucket.
    #[cold]
    fn end_noted<T>(&self, peer: Peer<'_, FastFailState<T>>, end: &End<'_>) {
        let verdict = self.verdict(end);
        if verdict == Verdict::Success
            && let Some(mean) = peer.endpoint.measurements().total().average()
        {
            self.fleet.sample(mean);
        }
        let ended = Ended {
            started: end.started,
            now: end.now,
            verdict,
            successes: peer.endpoint.outcomes().success,
        };
        // Held over the change of the gate, so that the gate follows the guard's steps in their order.
        let mut guard = peer.state.lock();
        let gate = peer.endpoint.gate();
        if guard.is_out(end.now) && !gate.is_closed_for(Reason::FastFail, end.now) {
            guard.pardon();
            if let Some(place) = peer.state.place.get() {
                self.fleet.leave_place(place.id);
            }
        }
        let (step, quiet_until) = guard.end(ended, &self.config, self.bucket_nanos());
        match step {
            Step::Nothing => {}
            Step::Close(until) => gate.close_until(Reason::FastFail, until),
            Step::Back(refused) => {
                if let Some(place) = peer.state.place.get() {
                    self.fleet.leave_place(place.id);
                }
                reopen(gate, refused);
            }
            Step::Again(refused) => {
                if let Some(place) = peer.state.place.get() {
                    self.fleet.hold_until(place.id, end.now);
                }
                reopen(gate, refused);
            }
            Step::Eject => self.eject(peer, &mut guard, end.now),
        }
        let quiet_until = if step == Step::Eject {
            Timestamp::ZERO
        } else {
            quiet_until
        };
        peer.state
            .quiet_until
            .store(quiet_until.as_nanos(), Ordering::Relaxed);
    }

    fn eject<T>(&self, peer: Peer<'_, FastFailState<T>>, guard: &mut Guard, now: Timestamp) {
        let until = now.after(self.ejection(guard.doublings()));
        let gate = peer.endpoint.gate();
        let placed = peer.state.place.get().is_some_and(|place| {
            self.fleet
                .take_place(place.id, peer.endpoint, until, now, &self.config)
        });
        if placed {
            let until = guard.eject(until);
            tracing::debug!(endpoint = peer.endpoint.key(), "ejected: it fails");
            gate.close_until(Reason::FastFail, until);
        } else if let Some(until) = guard.spare(now) {
            gate.close_until(Reason::FastFail, until);
        }
    }
}

impl<St: Strategy> Strategy for FastFail<St> {
    type State = FastFailState<St::State>;

    fn join(&self, peer: Peer<'_, Self::State>, now: Timestamp) {
        peer.state.place.get_or_init(|| Place {
            id: self.fleet.join(),
            fleet: Arc::clone(&self.fleet),
        });
        self.inner.join(peer.map(|state| &state.inner), now);
    }

    #[inline(always)]
    fn begin(&self, peer: Peer<'_, Self::State>, begin: &Begin) {
        if peer.state.quiet_until.load(Ordering::Relaxed) == 0 {
            self.begin_troubled(peer, begin);
        }
        self.inner.begin(peer.map(|state| &state.inner), begin);
    }

    #[inline]
    fn first_data(&self, peer: Peer<'_, Self::State>, started: Timestamp, now: Timestamp) {
        self.inner
            .first_data(peer.map(|state| &state.inner), started, now);
    }

    #[inline]
    fn data(&self, peer: Peer<'_, Self::State>, now: Timestamp, units: u64) {
        self.inner.data(peer.map(|state| &state.inner), now, units);
    }

    fn report(&self, peer: Peer<'_, Self::State>, now: Timestamp, report: &LoadReport) {
        self.inner
            .report(peer.map(|state| &state.inner), now, report);
    }

    #[inline(always)]
    fn end(&self, peer: Peer<'_, Self::State>, end: &End<'_>) {
        let quiet = end.now.as_nanos() < peer.state.quiet_until.load(Ordering::Relaxed);
        if !(quiet && end.outcome.is_success()) {
            self.end_noted(peer, end);
        }
        self.inner.end(peer.map(|state| &state.inner), end);
    }

    fn inspect(&self, peer: Peer<'_, Self::State>, show: &mut dyn FnMut(&'static str, f64)) {
        let guard = peer.state.lock();
        show("fast_fail.streak", f64::from(guard.streak()));
        show("fast_fail.ejections", f64::from(guard.doublings()));
        drop(guard);
        show("fast_fail.ejected_members", self.fleet.ejected() as f64);
        self.inner.inspect(peer.map(|state| &state.inner), show);
    }
}

impl<Req, St: Pick<Req>> Pick<Req> for FastFail<St> {
    #[inline(always)]
    fn pick<V: View<Self::State>>(&self, view: &V, request: &Req) -> Option<usize> {
        self.fleet.sees(view.len());
        self.inner.pick(&Adapt::new(view, Through), request)
    }

    #[inline(always)]
    fn prepare<V: View<Self::State>>(&self, view: &V, request: &Req) -> Option<Prepare> {
        self.inner.prepare(&Adapt::new(view, Through), request)
    }
}

// ===== impl Through =====

impl<T: 'static> Adapter<FastFailState<T>> for Through {
    type Inner = T;

    #[inline(always)]
    fn state<'a>(&self, state: &'a FastFailState<T>) -> &'a T {
        &state.inner
    }
}

/// Opens the gate, or leaves it closed for as long as the upstream wants to be left alone.
fn reopen(gate: GateHandle<'_>, refused: Option<Timestamp>) {
    match refused {
        Some(until) => gate.close_until(Reason::FastFail, until),
        None => gate.open(Reason::FastFail),
    }
}
