use std::time::Duration;

use super::{
    Algorithm, Tick,
    window::{ENOUGH, beyond_chance, held},
};
use crate::time::Timestamp;

mod config;
mod measure;

#[cfg(all(test, not(campanile_loom)))]
mod tests;

pub use config::{ElasticConfig, Work};
use measure::{Half, Pace};

/// As many calls as bring more work done: the limit rises while one percent more calls bring more than a fifth of a
/// percent more work, and falls while they bring less.
///
/// The limit goes up and down by `d` in turn. From the work per second `X` and the calls in flight `b` of each half,
/// `e = sum f^i ln(X+/X-) / sum f^i ln(b+/b-)` is how elastic work is to calls, drawn to the target `e*`, and after each
/// pair `L *= exp(clip(gain (e - e*), -fall, rise))`. It so maximises `X / b^e*`. It starts with steps of 1.6 until one of
/// them brings less than half of what it asks; drops multiply the limit by 0.7 at most once each round trip.
///
/// Unlike all rules that look at latency it has no base that could be wrong, starves nobody to measure one, and is blind
/// to the size of requests, which for language models decides how long a call takes. It needs traffic: while the limit is
/// not used it stays as it is. Where answers do not stream, it needs a hundred of them for each look; with few calls of
/// unequal length, [`Vegas`](super::Vegas) on latency per token is steadier.
///
/// Rule and constants come from a study of this project on simulated servers, which had 0.25 for `e*` and 0.12 for `d`. The
/// scenarios of its tests, which measure them again, give 0.2 and 0.1 one percent more goodput at hardly more latency, and
/// are why the rule has these besides:
///
/// - Halves come in turn as low, high, high, low, so that what changes by itself in the meantime cancels.
/// - A pair whose elasticity is outside -2 to 2, and chance, has seen something else change and is forgotten. Outside -1
///   to 1 it counts as that.
/// - Limits below ten go up and down by up to one call, since a tenth of them is less than chance.
/// - The step that ends the start is measured twice, and one drop does not end it. An elasticity of 0.6 starts it again.
/// - Drops count where they are more than two percent of the last calls, and more than chance brings.
/// - A limit that refuses calls counts as used, however little of it is used on average.
#[derive(Debug, Clone)]
pub struct Elastic {
    config: ElasticConfig,
    /// What the limit goes up and down around.
    center: f64,
    start: Option<Step>,
    /// Which half this is.
    high: bool,
    /// The other half of the pair, when that is done.
    other: Option<Half>,
    phase: Phase,
    rise: f64,
    run: f64,
    pace: Pace,
    /// Since when drops are counted, one to two round trips or 50 calls ago, and what comes to be that.
    marks: [Tick; 2],
    /// Until when drops are still those of the last decrease.
    deaf: Timestamp,
    next: Timestamp,
}

/// Where in a half it is.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Nothing has been seen yet.
    New,
    /// Waiting until calls follow the limit.
    Settling(Timestamp),
    /// Measuring since then.
    Measuring(Tick),
}

/// The steps at the start.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    /// What the last one brought.
    before: Option<Half>,
    /// Whether the last one brought too little. It is measured twice: the end of the start decides for long.
    doubted: bool,
    /// Whether drops have lowered the limit since. Once may be chance.
    cut: bool,
}

// ===== impl Elastic =====

impl Elastic {
    /// An elasticity beyond this has another cause.
    const ABSURD: f64 = 2.0;
    /// The least dither, for limits below ten, up to one call.
    const FEW: f64 = 0.2;
    /// The elasticity from which on the limit is so far off that it goes on in steps.
    const AGAIN: f64 = 0.6;
    /// The part of a change of the limit that calls must have followed.
    const FOLLOWED: f64 = 0.25;

    /// A limit that starts as `config` says.
    #[must_use]
    pub fn new(config: ElasticConfig) -> Self {
        Self {
            center: config.initial,
            start: Some(Step::default()),
            high: false,
            other: None,
            phase: Phase::New,
            rise: 0.0,
            run: 0.0,
            pace: Pace::default(),
            marks: [Tick::default(); 2],
            deaf: Timestamp::ZERO,
            next: Timestamp::ZERO,
            config,
        }
    }

    /// The elasticity of work to calls, as far as it is known.
    #[must_use]
    pub fn elasticity(&self) -> f64 {
        (self.rise + self.config.prior * self.config.target) / (self.run + self.config.prior)
    }

    /// How long a half lasts at least.
    fn half(&self) -> Duration {
        let round_trips = if self.pace.streams(self.config.work) {
            self.config.streamed_round_trips
        } else {
            self.config.round_trips
        };
        self.pace.round_trip().mul_f64(round_trips)
    }

    /// Begins a half.
    fn settle(&mut self, now: Timestamp) {
        let until = now.after(self.half());
        self.phase = Phase::Settling(until);
        self.next = until;
    }

    /// Lowers the limit where too many calls were dropped.
    fn cut(&mut self, tick: &Tick) -> bool {
        if tick.now < self.deaf {
            self.marks = [*tick; 2];
            return false;
        }
        let [mark, later] = self.marks;
        let ended = |tick: &Tick| tick.completed.wrapping_add(tick.dropped);
        let dropped = tick.dropped.wrapping_sub(mark.dropped) as f64;
        let served = tick.completed.wrapping_sub(mark.completed) as f64;
        if beyond_chance(dropped, served, self.config.drop_tolerance) {
            self.center = (self.center * self.config.decrease).max(1.0);
            self.start = self.start.filter(|start| !start.cut).map(|_| Step {
                cut: true,
                ..Step::default()
            });
            self.other = None;
            self.deaf = tick.now.after(self.pace.round_trip());
            self.marks = [*tick; 2];
            return true;
        }
        if tick.now.since(later.now) >= self.pace.round_trip()
            && ended(tick).wrapping_sub(ended(&later)) >= ENOUGH.into()
        {
            self.marks = [later, *tick];
        }
        false
    }

    /// A half has been measured.
    fn measured(&mut self, half: Half) {
        if !half.used(self.config.utilisation, self.config.refused) {
            self.other = None;
            if let Some(start) = &mut self.start {
                start.before = None;
            } else {
                self.high = !self.high;
            }
            return;
        }
        if let Some(start) = self.start {
            self.step(start, half);
            return;
        }
        let Some(other) = self.other.take() else {
            self.other = Some(half);
            self.high = !self.high;
            return;
        };
        // The next pair begins with the half that this one ended with.
        let (high, low) = if self.high {
            (half, other)
        } else {
            (other, half)
        };
        self.pair(low, high);
    }

    /// One step of the start.
    fn step(&mut self, start: Step, half: Half) {
        let enough = start.before.is_some_and(|before| {
            let (rise, run) = half.over(before);
            // Nor does it go on where calls did not follow.
            run < Self::FOLLOWED * self.config.slow_start.ln()
                || rise < self.config.slow_start_until * run
        });
        if enough && start.doubted {
            self.start = None;
        } else if enough {
            self.start = Some(Step {
                doubted: true,
                ..start
            });
        } else {
            self.center *= self.config.slow_start;
            self.start = Some(Step {
                before: Some(half),
                doubted: false,
                ..start
            });
        }
    }

    fn pair(&mut self, low: Half, high: Half) {
        let (rise, run) = high.over(low);
        // Calls did not follow the limit, or something else has changed: nothing can be said.
        let chance = 3.0 * (2.0 / low.count.min(high.count).max(1.0)).sqrt();
        if run < Self::FOLLOWED * 2.0 * self.config.dither
            || rise.abs() > Self::ABSURD * run + chance
        {
            return;
        }
        let keep = self.config.memory;
        self.rise = self.rise * keep + rise.clamp(-run, run);
        self.run = self.run * keep + run;
        let change = self.config.gain * (self.elasticity() - self.config.target);
        self.center *= change.clamp(-self.config.fall, self.config.rise).exp();
        self.center = self.center.max(1.0);
        if self.elasticity() >= Self::AGAIN {
            self.start = Some(Step::default());
        }
    }
}

impl Algorithm for Elastic {
    fn limit(&self) -> f64 {
        if self.start.is_some() {
            return self.center.round();
        }
        // Of few calls a tenth more or less says nothing; of two or three, one more is much.
        let swing = (self.center * self.config.dither)
            .max((self.center * Self::FEW).min(1.0))
            .max(0.5);
        let limit = if self.high {
            self.center + swing
        } else {
            self.center - swing
        };
        limit.round().max(1.0)
    }

    fn samples(&self) -> bool {
        false
    }

    fn next_tick(&self) -> Option<Timestamp> {
        Some(self.next)
    }

    fn tick(&mut self, tick: &Tick) {
        self.pace.learn(tick);
        self.center = held(self.center, self.limit(), tick.limit);
        if matches!(self.phase, Phase::New) {
            self.marks = [*tick; 2];
            self.settle(tick.now);
            return;
        }
        if self.cut(tick) {
            self.settle(tick.now);
            return;
        }
        match self.phase {
            Phase::New => {}
            Phase::Settling(until) if tick.now < until => self.next = until,
            Phase::Settling(_) => {
                self.phase = Phase::Measuring(*tick);
                self.next = tick.now.after(self.half());
            }
            Phase::Measuring(from) => {
                let half = Half::between(&from, tick, self.pace.streams(self.config.work));
                let least = self.config.least as f64;
                let lasted = tick.now.since(from.now);
                if half.count < least || lasted < self.half() || !self.pace.known() {
                    self.next = tick
                        .now
                        .after(self.pace.patience(lasted, half.count, least));
                    return;
                }
                self.measured(half);
                self.settle(tick.now);
            }
        }
    }
}
