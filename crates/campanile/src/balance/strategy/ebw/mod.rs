//! Effective busy time per completed work.

use std::{cell::Cell, sync::atomic::Ordering};

use super::{
    Begin, End, Glance, Peer, Pick, Strategy, View,
    pace::{Pace, seconds, turn},
    sample,
};
use crate::{config::Invalid, time::Timestamp};

mod config;
mod fleet;
mod state;
mod sums;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

pub use config::EbwConfig;
pub use state::EbwState;

use fleet::Fleet;
use sums::{Sums, busyness};

/// An endpoint publishes its slowness so many times within the time that evidence lasts.
const PUBLICATIONS: f64 = 32.0;

thread_local! {
    /// The second best of this thread's last pick. Another pool's is merely one more random candidate.
    static RUNNER_UP: Cell<u32> = const { Cell::new(u32::MAX) };
}

/// No candidate: worse than any.
const NOBODY: u64 = u64::MAX;

/// Enough for 67 million members, and for 64 candidates in what is left of 32.
const INDEX_BITS: u32 = 26;
const INDEX: u32 = (1 << INDEX_BITS) - 1;

/// The shortest expected wait, from nothing but what the caller sees: **e**ffective **b**usy time per completed
/// **w**ork. The default strategy.
///
/// Of each endpoint it keeps two sums that fade with the time constant `tau`, two mean calls long: busy time, the
/// integral of `g(b) = b / (1 + b/k)` where `b` is the calls in flight, and work done (units of a stream as they
/// arrive, one for each successful call where there are none). Their quotient is the endpoint's slowness `sigma`,
/// drawn towards the fleet's by the weight of three mean calls. A call goes where `sigma x (b + 1) / weight` is least:
/// among all members of a pool of up to 64, among eight random ones and the last runner-up in a larger one.
///
/// Calls that fail or are cancelled leave busy time and no work; so does an endpoint that is stuck. What an endpoint
/// has shown fades while it is idle, until it is taken for an average one, so one that has recovered is found out.
///
/// No lock, no allocation and no read-modify-write on the way of a call: sums are estimates, and one that two cores
/// update at once may miss an event.
///
/// ```
/// use campanile::balance::{BalanceLayer, Ebw, EbwConfig};
///
/// let alone = BalanceLayer::new(Ebw::default());
/// let one_of_many = BalanceLayer::new(Ebw::new(EbwConfig { hidden_load: 2.0, ..EbwConfig::default() })?);
/// # let _ = (alone, one_of_many);
/// # Ok::<(), campanile::config::Invalid>(())
/// ```
#[derive(Debug)]
pub struct Ebw {
    config: EbwConfig,
    fleet: Fleet,
    refresh: Pace,
}

// ===== impl Ebw =====

impl Ebw {
    /// With constants of your own.
    ///
    /// # Errors
    ///
    /// When one is out of range.
    pub fn new(config: EbwConfig) -> Result<Self, Invalid> {
        Ok(Self::checked(config.build()?))
    }

    fn checked(config: EbwConfig) -> Self {
        Self {
            fleet: Fleet::new(&config),
            refresh: Pace::default(),
            config,
        }
    }

    /// An event at an endpoint that had `in_flight` calls until now.
    ///
    /// The time since the last event is added up, unless it is so short that it may as well be added with the next one.
    #[inline(always)]
    fn event(
        &self,
        peer: Peer<'_, EbwState>,
        now: Timestamp,
        in_flight: impl FnOnce() -> u32,
        work: f64,
    ) {
        if peer.state.elapsed_nanos(now) < self.fleet.quantum() {
            if work > 0.0 {
                peer.state.add(work);
            }
            return;
        }
        self.add_up(peer, now, in_flight(), work);
    }

    #[inline(never)]
    fn add_up(&self, peer: Peer<'_, EbwState>, now: Timestamp, in_flight: u32, work: f64) {
        let tau = self.fleet.tau();
        let state = peer.state;
        let sums = state.advance(now, tau, busyness(in_flight, self.config.k), work);
        let published = Timestamp::from_nanos(state.published.at.load(Ordering::Relaxed));
        if seconds(published, now) * PUBLICATIONS >= tau {
            self.publish(peer, now, sums, tau);
        }
    }

    /// Tells the fleet what the endpoint did, and picks how slow it is.
    #[cold]
    fn publish(&self, peer: Peer<'_, EbwState>, now: Timestamp, sums: Sums, tau: f64) {
        let calls = peer.endpoint.outcomes().success;
        let mean_call = peer.endpoint.measurements().total().average();
        let (done, calls) = peer.state.published.replace(now, sums, calls, tau);
        let mean_call = mean_call.map(|mean| mean.as_secs_f64());
        self.fleet.add(now, done, calls, mean_call, &self.config);
        if let Some(slowness) = self.slowness(sums) {
            peer.publish(slowness as f32);
        }
    }

    /// `sigma = (kappa w S + A) / (kappa w + W)`; `None` before the fleet has done any work.
    fn slowness(&self, sums: Sums) -> Option<f64> {
        let prior = self.fleet.prior()?;
        let believed = self.config.kappa * prior.work;
        Some((believed * prior.slowness + sums.busy) / (believed + sums.work))
    }

    /// The slowness of an endpoint of which nothing is known.
    #[cold]
    fn unknown(&self) -> f32 {
        self.fleet
            .prior()
            .map_or(1.0, |prior| prior.slowness as f32)
    }

    /// Looks at a random member now and then: nothing happens at one that is idle or stuck, and its slowness changes all
    /// the same.
    #[inline(always)]
    fn refresh<V: View<EbwState>>(&self, view: &V) {
        let len = view.len();
        let now = view.now();
        if len > 1 && self.refresh.due(now, || turn(self.fleet.tau(), len)) {
            let index = view.random(len);
            self.touch(view.endpoint(index), view.state(index), now);
        }
    }

    #[cold]
    fn touch(&self, endpoint: &crate::Endpoint, state: &EbwState, now: Timestamp) {
        self.add_up(Peer { endpoint, state }, now, endpoint.in_flight(), 0.0);
    }

    /// The best of all members; of equals, the first from a random place on.
    #[inline(always)]
    fn scanned<V: View<EbwState>>(view: &V, score: impl Fn(Glance) -> f32) -> Option<usize> {
        let len = view.len();
        if len == 0 {
            return None;
        }
        let start = view.random(len);
        let mut best = NOBODY;
        for place in 0..len {
            let index = if place < len - start {
                place + start
            } else {
                place + start - len
            };
            if let Some(seen) = view.glance(index) {
                best = best.min(key(score(seen), place));
            }
        }
        let place = best as u32 as usize;
        let index = if place < len - start {
            place + start
        } else {
            place.wrapping_add(start).wrapping_sub(len)
        };
        (best != NOBODY).then_some(index)
    }

    /// The best of some random members and the last runner-up; of equals, the one drawn first.
    #[inline(always)]
    fn sampled<V: View<EbwState>>(&self, view: &V, score: impl Fn(Glance) -> f32) -> Option<usize> {
        let len = view.len();
        let (mut first, mut second) = (NOBODY, NOBODY);
        let mut draw = 0;
        let mut meet = |index: usize| {
            let rival = view
                .glance(index)
                .map_or(NOBODY, |seen| key(score(seen), draw << INDEX_BITS | index));
            draw += 1;
            second = second.min(first.max(rival));
            first = first.min(rival);
        };
        for _ in 0..self.config.candidates.div_ceil(2) {
            let (one, other) = view.random_pair(len);
            meet(one);
            meet(other);
        }
        let again = RUNNER_UP.get() as usize;
        if again < len {
            meet(again);
        }
        RUNNER_UP.set(second as u32 & INDEX);
        if first == NOBODY {
            return sample(view);
        }
        Some((first as u32 & INDEX) as usize)
    }
}

/// A number that is the less, the less the score is, or of equals the place. The bits of scores, which are not negative,
/// are in the order of the scores: so the least is found without branches.
#[inline(always)]
fn key(score: f32, place: usize) -> u64 {
    u64::from(score.to_bits()) << 32 | place as u64
}

impl Default for Ebw {
    fn default() -> Self {
        Self::checked(EbwConfig::default())
    }
}

impl Strategy for Ebw {
    type State = EbwState;

    fn join(&self, peer: Peer<'_, EbwState>, now: Timestamp) {
        peer.state.at.store(now.as_nanos(), Ordering::Relaxed);
        let calls = peer.endpoint.outcomes().success;
        peer.state
            .published
            .replace(now, Sums::default(), calls, self.fleet.tau());
        // What an earlier pool thought of it.
        peer.publish(0.0);
    }

    #[inline(always)]
    fn begin(&self, peer: Peer<'_, EbwState>, begin: &Begin) {
        self.event(
            peer,
            begin.now,
            || peer.endpoint.in_flight().saturating_sub(1),
            0.0,
        );
    }

    #[inline]
    fn data(&self, peer: Peer<'_, EbwState>, now: Timestamp, units: u64) {
        self.event(peer, now, || peer.endpoint.in_flight(), units as f64);
    }

    #[inline(always)]
    fn end(&self, peer: Peer<'_, EbwState>, end: &End<'_>) {
        let whole = end.units == 0 && end.outcome.is_success();
        let work = if whole { 1.0 } else { 0.0 };
        self.event(
            peer,
            end.now,
            || peer.endpoint.in_flight().saturating_add(1),
            work,
        );
    }

    fn inspect(&self, peer: Peer<'_, EbwState>, show: &mut dyn FnMut(&'static str, f64)) {
        let sums = peer.state.sums();
        show("ebw.sigma", self.slowness(sums).unwrap_or(0.0));
        show("ebw.busy", sums.busy);
        show("ebw.work", sums.work);
    }
}

impl<Req> Pick<Req> for Ebw {
    #[inline(always)]
    fn pick<V: View<EbwState>>(&self, view: &V, _request: &Req) -> Option<usize> {
        self.refresh(view);
        let others = 1.0 + self.config.hidden_load as f32;
        let unknown = Cell::new(0.0);
        let score = |seen: Glance| {
            let mut slowness = seen.rank;
            if slowness == 0.0 {
                // It has joined just now: like the others, not infinitely good.
                if unknown.get() == 0.0 {
                    unknown.set(self.unknown());
                }
                slowness = unknown.get();
            }
            slowness * (seen.load as f32 + others) / seen.weight
        };
        if view.len() <= self.config.scan_limit || view.len() < 2 {
            Self::scanned(view, score)
        } else {
            self.sampled(view, score)
        }
    }
}
