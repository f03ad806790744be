use std::{fmt, time::Duration};

use super::{
    Signal,
    algorithm::{Algorithm, Sample, Tick, Verdict},
    state::{Busy, Integral, Word},
};
use crate::{
    lane::{LANES, lane},
    outcome::{FailureKind, Outcome},
    sync::{AtomicU64, Mutex, MutexGuard, Ordering},
    time::Timestamp,
};

/// What an adaptive limit has beside its permits: the counts that calls leave behind, and the algorithm that reads them.
///
/// Calls only add to counts. The algorithm lies under a lock that is tried and never waited for: who finds it taken goes
/// on. What a [`Tick`] tells is cumulative, so nothing of it is lost that way; a [`Sample`] that finds the lock taken is
/// lost, except that a drop is kept until somebody else comes.
pub(super) struct Control {
    /// When a tick is due, in nanoseconds; `u64::MAX` for never.
    due: AtomicU64,
    counts: [Counts; LANES],
    /// The samples of drops that found the algorithm taken, and were not made up for.
    owed: AtomicU64,
    samples: bool,
    signal: Signal,
    brain: Mutex<Brain>,
}

/// What the calls of a thread have added up to, which is what it writes at each of them.
#[derive(Default)]
#[repr(align(128))]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
    completed: AtomicU64,
    units: AtomicU64,
    dropped: AtomicU64,
}

struct Brain {
    algorithm: Box<dyn Algorithm>,
    integral: Integral,
    /// What the algorithm wanted last.
    wanted: f64,
}

/// What a finished call leaves behind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished {
    pub(super) started: Timestamp,
    pub(super) now: Timestamp,
    pub(super) latency: Option<Duration>,
    /// Units of work in all.
    pub(super) units: u64,
    pub(super) verdict: Verdict,
}

// ===== impl Control =====

impl Control {
    pub(super) fn new(algorithm: Box<dyn Algorithm>, signal: Signal) -> Self {
        Self {
            due: AtomicU64::new(due(&*algorithm)),
            counts: std::array::from_fn(|_| Counts::default()),
            owed: AtomicU64::new(0),
            samples: algorithm.samples(),
            signal,
            brain: Mutex::new(Brain {
                wanted: algorithm.limit(),
                algorithm,
                integral: Integral::default(),
            }),
        }
    }

    pub(super) const fn signal(&self) -> Signal {
        self.signal
    }

    /// Calls that were served, and calls that were dropped.
    pub(super) fn ends(&self) -> (u64, u64) {
        (
            self.sum(|counts| &counts.completed),
            self.sum(|counts| &counts.dropped),
        )
    }

    fn sum(&self, count: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        self.counts.iter().fold(0, |sum, counts| {
            sum.wrapping_add(count(counts).load(Ordering::Acquire))
        })
    }

    /// The ends first: a call whose end is seen is one whose begin is seen too, so that never less than none is in flight.
    fn busy(&self) -> Busy {
        let ended = self.sum(|counts| &counts.ended);
        Busy(ended.wrapping_add(self.sum(|counts| &counts.begun)))
    }

    #[inline(always)]
    fn counts(&self) -> &Counts {
        &self.counts[lane()]
    }

    /// Permits are taken.
    #[inline(always)]
    pub(super) fn begin(&self, now: Timestamp, permits: u32) {
        self.counts()
            .begun
            .fetch_add(Busy::begin(now, permits), Ordering::Relaxed);
    }

    /// Units of work arrived.
    #[inline(always)]
    pub(super) fn work(&self, units: u64) {
        if units != 0 {
            self.counts().units.fetch_add(units, Ordering::Relaxed);
        }
    }

    /// Permits are given back.
    #[inline(always)]
    pub(super) fn end(&self, now: Timestamp, permits: u32, verdict: Verdict) {
        let counts = self.counts();
        counts
            .ended
            .fetch_add(Busy::end(now, permits), Ordering::Release);
        match verdict {
            Verdict::Done => counts.completed.fetch_add(1, Ordering::Relaxed),
            Verdict::Dropped => counts.dropped.fetch_add(1, Ordering::Relaxed),
            Verdict::Ignored => 0,
        };
    }

    #[inline(always)]
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now.as_nanos() >= self.due.load(Ordering::Relaxed)
    }

    /// Whether the algorithm is to be asked at the end of a call.
    #[inline(always)]
    pub(super) fn is_asked(&self, now: Timestamp) -> bool {
        self.samples || self.is_due(now)
    }

    /// Tells the algorithm what there is to tell, and `follow` what limit it wants if that is another than before; unless
    /// somebody else is at it. `word` is what the permits were at the end of the finished call, that call included.
    pub(super) fn consult(
        &self,
        now: Timestamp,
        word: Word,
        refused: u64,
        finished: Option<&Finished>,
        follow: impl FnOnce(f64),
    ) {
        let Some(mut brain) = self.try_lock() else {
            if self.samples && finished.is_some_and(|call| call.verdict == Verdict::Dropped) {
                self.owed.fetch_add(1, Ordering::Relaxed);
            }
            return;
        };
        if self.samples
            && let Some(call) = finished
        {
            let mut sample = call.sample(word);
            brain.algorithm.sample(&sample);
            // However many they were: those that come together are one event.
            if self.owed.load(Ordering::Relaxed) != 0 {
                self.owed.store(0, Ordering::Relaxed);
                (sample.latency, sample.verdict) = (None, Verdict::Dropped);
                brain.algorithm.sample(&sample);
            }
        }
        if self.is_due(now) {
            let tick = Tick {
                now,
                units: self.sum(|counts| &counts.units),
                completed: self.sum(|counts| &counts.completed),
                dropped: self.sum(|counts| &counts.dropped),
                refused,
                busy: brain.integral.read(self.busy(), now),
                in_flight: word.in_use(),
                limit: word.limit(),
            };
            brain.algorithm.tick(&tick);
        }
        self.due.store(due(&*brain.algorithm), Ordering::Relaxed);
        let wanted = brain.algorithm.limit();
        if wanted.to_bits() != brain.wanted.to_bits() {
            brain.wanted = wanted;
            // While the algorithm is held, so that its wishes are followed in their order. Who is woken by that and ends a
            // call at once finds the algorithm taken, as others do.
            follow(wanted);
        }
    }

    /// Runs `meanwhile` with the algorithm in use.
    #[cfg(test)]
    pub(super) fn while_taken(&self, meanwhile: impl FnOnce()) {
        let _brain = self.try_lock().expect("in use");
        meanwhile();
    }

    /// The algorithm, unless it is in use. One that panicked is used on.
    fn try_lock(&self) -> Option<MutexGuard<'_, Brain>> {
        use std::sync::TryLockError::{Poisoned, WouldBlock};
        match self.brain.try_lock() {
            Ok(brain) => Some(brain),
            Err(Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(WouldBlock) => None,
        }
    }
}

fn due(algorithm: &dyn Algorithm) -> u64 {
    algorithm.next_tick().map_or(u64::MAX, Timestamp::as_nanos)
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Control");
        debug.field("signal", &self.signal);
        if let Some(brain) = self.try_lock() {
            debug.field("algorithm", &brain.algorithm);
        }
        debug.finish_non_exhaustive()
    }
}

// ===== impl Finished =====

impl Finished {
    const fn sample(&self, word: Word) -> Sample {
        Sample {
            started: self.started,
            now: self.now,
            latency: self.latency,
            units: self.units,
            in_flight: word.in_use(),
            limit: word.limit(),
            verdict: self.verdict,
        }
    }
}

/// What the end of a call says of the limit. A call that was cut short by its caller or failed by itself says nothing.
pub(super) const fn verdict(outcome: Outcome) -> Verdict {
    match outcome {
        Outcome::Success => Verdict::Done,
        Outcome::Throttled { .. }
        | Outcome::Overloaded { .. }
        | Outcome::Failure(FailureKind::Timeout) => Verdict::Dropped,
        Outcome::Failure(_) | Outcome::Ignored | Outcome::Cancelled => Verdict::Ignored,
    }
}
