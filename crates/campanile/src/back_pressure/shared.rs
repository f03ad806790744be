//! What all clones of a service share.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
};

use tokio::sync::watch;

use super::{BackPressureConfig, Counts, Decision, Signal, Verdict, decision, window::Window};
use crate::{
    control::Dial,
    lane::{LANES, lane},
    outcome::Outcome,
    sync::{Mutex, lock},
    time::{Timestamp, nanos},
};

/// The rule at work, and something for each thread to hold on to it by.
pub(super) struct Shared {
    core: Arc<Core>,
    holds: [Hold; LANES],
}

/// Keeps the rule alive for a call. Each thread has its own, so that calls of different threads do not write the same count
/// of references.
#[derive(Clone)]
pub(super) struct Hold(Arc<Held>);

/// The count lies in front of it, and no other thread's in that line or the next.
struct Held {
    core: Arc<Core>,
    _apart: [u64; 13],
}

pub(super) struct Core {
    window: Window,
    bounds: Bounds,
    rule: Mutex<Rule>,
    latest: watch::Sender<Option<Decision>>,
}

/// What calls compare themselves with; nanoseconds. Written only when settings change.
#[derive(Default)]
struct Bounds {
    high: AtomicU64,
    low: AtomicU64,
    signal: AtomicU8,
    refusals: AtomicBool,
}

/// What is looked at once a window.
pub(super) struct Rule {
    pub(super) config: BackPressureConfig,
    pub(super) paused: bool,
    pub(super) capacities: Vec<Arc<dyn Dial>>,
    pub(super) rates: Vec<Arc<dyn Dial>>,
    windows: u64,
}

/// When a call began, and how far it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) started: Timestamp,
    pub(super) head: Option<Timestamp>,
    pub(super) first_data: Option<Timestamp>,
}

// ===== impl Shared =====

impl Shared {
    pub(super) fn new(config: BackPressureConfig) -> Self {
        let core = Arc::new(Core {
            window: Window::new(),
            bounds: Bounds::default(),
            rule: Mutex::new(Rule {
                config: BackPressureConfig::default(),
                paused: false,
                capacities: Vec::new(),
                rates: Vec::new(),
                windows: 0,
            }),
            latest: watch::Sender::new(None),
        });
        core.set_config(config);
        let holds = std::array::from_fn(|_| {
            Hold(Arc::new(Held {
                core: Arc::clone(&core),
                _apart: [0; 13],
            }))
        });
        Self { core, holds }
    }

    /// The calling thread's.
    #[inline]
    pub(super) fn hold(&self) -> Hold {
        self.holds[lane()].clone()
    }
}

#[cfg(all(test, feature = "testing", not(campanile_loom)))]
impl Shared {
    /// How many calls hold on to it.
    pub(super) fn held(&self) -> usize {
        let holds = self.holds.iter();
        holds.map(|hold| Arc::strong_count(&hold.0) - 1).sum()
    }
}

impl Deref for Shared {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        &self.core
    }
}

// ===== impl Hold =====

impl Deref for Hold {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        &self.0.core
    }
}

// ===== impl Core =====

impl Core {
    /// Ends the window if it is over.
    #[inline]
    pub(super) fn look(&self, now: Timestamp) {
        if self.window.is_over(now) {
            self.close(now);
        }
    }

    /// Counts a call that is over.
    #[inline]
    pub(super) fn count(&self, times: &Times, now: Timestamp, outcome: Outcome) {
        match outcome {
            Outcome::Success => {
                self.look(now);
                let (head, first_data) = (times.head, times.first_data);
                let done = match self.bounds.signal.load(Relaxed) {
                    HEAD => head,
                    FIRST_DATA => first_data.or(head),
                    _ => None,
                };
                let latency = nanos(done.unwrap_or(now).since(times.started));
                let slow = latency > self.bounds.high.load(Relaxed);
                let not_fast = latency >= self.bounds.low.load(Relaxed);
                self.window.tally().success(slow, not_fast);
            }
            Outcome::Failure(_) => {
                self.look(now);
                self.window.tally().error();
            }
            Outcome::Throttled { .. } | Outcome::Overloaded { .. } => {
                if self.bounds.refusals.load(Relaxed) {
                    self.look(now);
                    self.window.tally().error();
                }
            }
            Outcome::Ignored | Outcome::Cancelled => {}
        }
    }

    #[cold]
    fn close(&self, now: Timestamp) {
        if let Some(counts) = self.window.close(now) {
            self.decide(counts);
        }
    }

    /// Judges a window, and moves what is to be moved.
    fn decide(&self, counts: Counts) {
        let mut rule = lock(&self.rule);
        rule.windows += 1;
        let verdict = if rule.paused {
            Verdict::Paused
        } else {
            counts.judge(&rule.config)
        };
        let mut decision = Decision {
            window: rule.windows,
            verdict,
            counts,
            capacities: Vec::new(),
            rates: Vec::new(),
        };
        if let Some((capacity, rate)) = verdict.factors(&rule.config) {
            rule.capacities.retain(|dial| dial.is_alive());
            rule.rates.retain(|dial| dial.is_alive());
            let (capacities, rates) = (rule.capacities.clone(), rule.rates.clone());
            // Not while the owners of the dials, who may do anything, are told.
            drop(rule);
            decision.capacities = decision::turn(&capacities, capacity, true);
            decision.rates = decision::turn(&rates, rate, false);
            decision.tell();
        } else {
            drop(rule);
        }
        self.latest.send_replace(Some(decision));
    }

    /// Takes other settings, and begins a window anew.
    pub(super) fn set_config(&self, config: BackPressureConfig) {
        let mut rule = lock(&self.rule);
        let Bounds {
            high,
            low,
            signal,
            refusals,
        } = &self.bounds;
        high.store(nanos(config.high_latency), Relaxed);
        low.store(nanos(config.low_latency), Relaxed);
        let code = match config.signal {
            Signal::Head => HEAD,
            Signal::FirstData => FIRST_DATA,
            Signal::Total => TOTAL,
        };
        signal.store(code, Relaxed);
        refusals.store(config.count_refusals, Relaxed);
        self.window.restart(config.window);
        rule.config = config;
    }

    pub(super) fn rule<T>(&self, f: impl FnOnce(&mut Rule) -> T) -> T {
        f(&mut lock(&self.rule))
    }

    pub(super) fn counts(&self) -> Counts {
        self.window.tally().read()
    }

    pub(super) const fn latest(&self) -> &watch::Sender<Option<Decision>> {
        &self.latest
    }
}

const TOTAL: u8 = 0;
const HEAD: u8 = 1;
const FIRST_DATA: u8 = 2;
