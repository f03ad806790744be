//! The cheapest member that meets a latency goal.
//!
//! **State.** Of each endpoint: mean and mean deviation of the time that is measured (the newest sample weighs a tenth, more
//! when it comes after a pause), the mean load that it was measured at, its label `price`, and since when nothing has come of
//! the calls that wait. Estimates, without a lock: of two samples at once one may be lost.
//!
//! **Who meets the goal.** The time is taken for Laplace-distributed: its quantile `p` is `mean + deviation x ln(1 / (2 (1 -
//! p)))`. Beyond the load that it was measured at it is believed to grow in proportion to the calls in flight, and below to
//! shrink with the square root, so the next call goes elsewhere in time, and what a member can take is found out by degrees.
//! One that would miss the goal with a single call is out, and taken again only when it
//! is [better](CheapestConfig::margin) than that, so that calls do not go to and fro. Of one that is not called what is known
//! fades, and it is tried again: one call first. The same goes for one of which nothing is known.
//!
//! **The pick.** Of those that meet the goal the lowest price for this request; of equal prices the least loaded for its weight.
//! If none does, the fastest. All members of a pool of up to 64 are compared, sixteen random ones of a larger one.
//!
//! **What cannot look good.** A call that fails or is refused counts as one of twice the goal at least. One that is cancelled
//! before anything came counts for as long as it waited, together with others before it, once that is longer than the goal;
//! and calls that wait make a member as slow as they have waited.
//!
//! **Sharing.** One strategy is one pool's. Its hooks run on any thread.

use std::{fmt, sync::atomic::Ordering};

use campanile::{
    Outcome,
    balance::{Begin, End, Glance, Peer, Pick, Strategy, Timing, View},
    config::Invalid,
    time::Timestamp,
};

mod config;
mod price;
mod state;
#[cfg(test)]
mod tests;

pub use config::CheapestConfig;
pub use price::{ByLabel, Prices};
pub use state::CheapestState;

/// The largest pool of which every member is compared, and how many are of a larger one.
const SCANNED: usize = 64;
const DRAWN: usize = 16;

/// The cheapest member that meets a latency goal. See the [module](self).
///
/// ```
/// use campanile::{Call, Endpoint, balance::BalanceLayer};
/// use campanile_llm::{Chat, chat::ChatRequest, route::{Cheapest, CheapestConfig}};
/// use std::time::Duration;
///
/// // By each endpoint's label `price`.
/// let goal = CheapestConfig::default().with_goal(Duration::from_secs(1));
/// let layer = BalanceLayer::new(Cheapest::new(goal.clone())?).protocol(Chat);
///
/// // By what each request would cost, in nano-dollars.
/// let price = |endpoint: &Endpoint, call: &Call<ChatRequest>| match endpoint.key() {
///     "cheap" => call.message.prompt_bytes() * 25,
///     _ => call.message.prompt_bytes() * 250,
/// };
/// let layer = BalanceLayer::new(Cheapest::by(price, goal)?).protocol(Chat);
/// # let _ = layer;
/// # Ok::<(), campanile::config::Invalid>(())
/// ```
pub struct Cheapest<P = ByLabel> {
    config: CheapestConfig,
    prices: P,
}

/// What a pick makes of a member: the lower, the better.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Rank {
    /// It meets the goal: its price, then its load.
    Meets(f64, f64),
    /// It does not: its time.
    Misses(f64),
}

// ===== impl Cheapest =====

impl Cheapest {
    /// By the endpoints' labels `price`: see [`ByLabel`].
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: CheapestConfig) -> Result<Self, Invalid> {
        Self::by(ByLabel, config)
    }
}

impl<P> Cheapest<P> {
    /// By prices of your own, often a function of endpoint and request.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn by(prices: P, config: CheapestConfig) -> Result<Self, Invalid> {
        Ok(Self {
            config: config.build()?,
            prices,
        })
    }

    fn goal(&self) -> f64 {
        self.config.goal.as_secs_f64()
    }

    /// What is measured was there, after so many seconds.
    fn reached(&self, peer: Peer<'_, CheapestState>, started: Timestamp, now: Timestamp) {
        let load = peer.endpoint.in_flight().saturating_sub(1);
        let sample = now.since(started).as_secs_f64();
        peer.state.add(sample, load, now, self.config.fade);
        peer.state.answered(now);
    }

    /// A call ended in a way that must not look good.
    fn missed(&self, peer: Peer<'_, CheapestState>, end: &End<'_>) {
        let load = peer.endpoint.in_flight();
        let sample = end.elapsed().as_secs_f64().max(2.0 * self.goal());
        peer.state.add(sample, load, end.now, self.config.fade);
    }

    fn cancelled(&self, peer: Peer<'_, CheapestState>, end: &End<'_>) {
        let waited = peer.state.give_up(end.elapsed().as_secs_f64());
        if waited > self.goal().max(peer.state.mean()) {
            let load = peer.endpoint.in_flight();
            peer.state.add(waited, load, end.now, self.config.fade);
        }
    }

    /// Whether a member meets the goal with one call more, and how long that would take.
    fn expected(&self, state: &CheapestState, seen: &Glance, now: Timestamp) -> (bool, f64) {
        let goal = self.goal();
        let load = f64::from(seen.load);
        let silent = state.silent(now).unwrap_or(0.0);
        let Some(known) = state.value(self.config.quantile) else {
            // One call first, to find out.
            return (seen.load == 0, goal.max(silent) * (load + 1.0));
        };
        let back = (1.0 - self.config.margin) * goal;
        let was_out = state.out.load(Ordering::Relaxed);
        let alone = known * growth(0.0, state.load());
        let level = if was_out { back } else { goal };
        let believed = if was_out && seen.load == 0 {
            // Below what it takes to be tried again, in the end.
            let least = (1.0 - 2.0 * self.config.margin) * goal;
            state.faded(alone, least, now, self.config.fade)
        } else {
            alone
        };
        let out = believed > level;
        // A trial decides by what it finds, and not by having been made.
        let on_trial = was_out && !out && alone > back;
        if out != was_out && !on_trial {
            state.out.store(out, Ordering::Relaxed);
        }
        let expected = (known * growth(load, state.load())).max(silent);
        let meets = if on_trial {
            seen.load == 0
        } else {
            !out && expected <= goal
        };
        (meets, expected)
    }
}

/// How much longer a call takes beside `load` others than beside `measured`: in proportion, as far as that is not known
/// yet; and not as much shorter, since it may not be the load that makes it slow.
fn growth(load: f64, measured: f64) -> f64 {
    let ratio = (load + 1.0) / (measured + 1.0);
    if ratio < 1.0 { ratio.sqrt() } else { ratio }
}

impl<P: Send + Sync + 'static> Strategy for Cheapest<P> {
    type State = CheapestState;

    fn join(&self, peer: Peer<'_, CheapestState>, _now: Timestamp) {
        peer.state.set_price(peer.endpoint);
    }

    #[inline]
    fn begin(&self, peer: Peer<'_, CheapestState>, begin: &Begin) {
        peer.state.begin(begin.now);
    }

    #[inline]
    fn first_data(&self, peer: Peer<'_, CheapestState>, started: Timestamp, now: Timestamp) {
        match self.config.by {
            Timing::FirstData => self.reached(peer, started, now),
            Timing::Head => peer.state.answered(now),
            _ => {}
        }
    }

    fn end(&self, peer: Peer<'_, CheapestState>, end: &End<'_>) {
        // Whether it waits no more since its first data came, and whether it was measured then.
        let answered = self.config.by != Timing::Total && end.first_data.is_some();
        let measured = answered && self.config.by == Timing::FirstData;
        let at = match self.config.by {
            Timing::Head => end.head.unwrap_or(end.now),
            _ => end.now,
        };
        match end.outcome {
            Outcome::Success if !measured => {
                let load = peer.endpoint.in_flight();
                let sample = at.since(end.started).as_secs_f64();
                peer.state.add(sample, load, end.now, self.config.fade);
                if !answered {
                    peer.state.answered(end.now);
                }
                return;
            }
            Outcome::Success | Outcome::Ignored => {}
            Outcome::Cancelled if answered => {}
            Outcome::Cancelled => self.cancelled(peer, end),
            _ => self.missed(peer, end),
        }
        if !answered {
            peer.state.left(end.now);
        }
    }

    fn inspect(&self, peer: Peer<'_, CheapestState>, show: &mut dyn FnMut(&'static str, f64)) {
        let known = peer.state.value(self.config.quantile);
        show("cheapest.seconds", known.unwrap_or(0.0));
        show("cheapest.measured_load", peer.state.load());
        show("cheapest.price", peer.state.price().unwrap_or(0.0));
        let misses = peer.state.out.load(Ordering::Relaxed);
        show("cheapest.misses_goal", f64::from(u8::from(misses)));
    }
}

impl<Req, P: Prices<Req> + Send + Sync + 'static> Pick<Req> for Cheapest<P> {
    fn pick<V: View<CheapestState>>(&self, view: &V, request: &Req) -> Option<usize> {
        let len = view.len();
        if len == 0 {
            return None;
        }
        let now = view.now();
        let mut best: Option<(Rank, usize)> = None;
        let mut meet = |index: usize| {
            let Some(seen) = view.glance(index) else {
                return;
            };
            let state = view.state(index);
            let (meets, seconds) = self.expected(state, &seen, now);
            let weight = f64::from(seen.weight);
            let rank = if meets {
                let endpoint = view.endpoint(index);
                let price = self
                    .prices
                    .price(endpoint, state.price(), request, view.cost());
                // What is no number is not known; nothing compares with it.
                let price = price.min(f64::INFINITY);
                Rank::Meets(price, f64::from(seen.load + 1) / weight)
            } else {
                Rank::Misses(seconds / weight)
            };
            if best.is_none_or(|(lowest, _)| rank < lowest) {
                best = Some((rank, index));
            }
        };
        if len <= SCANNED {
            // From a random place on, so that equals share.
            let start = view.random(len);
            (start..len).chain(0..start).for_each(&mut meet);
        } else {
            (0..DRAWN).for_each(|_| meet(view.random(len)));
        }
        match best {
            Some((_, index)) => Some(index),
            None => campanile::balance::sample(view),
        }
    }
}

impl<P> fmt::Debug for Cheapest<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cheapest")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
