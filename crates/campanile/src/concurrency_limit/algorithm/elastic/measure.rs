use std::time::Duration;

use super::{super::Tick, Work};

/// What calls did at one limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Half {
    /// Work done.
    pub(super) count: f64,
    /// Work per second.
    work: f64,
    /// Mean calls in flight.
    busy: f64,
    /// The limit in force.
    limit: f64,
    /// The part of calls that found no room.
    refused: f64,
}

/// How long calls take, and what work they bring, over about the last thirty.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    last: Option<Tick>,
    busy: f64,
    completed: f64,
    units: f64,
}

// ===== impl Half =====

impl Half {
    /// What was done from one tick to another.
    pub(super) fn between(from: &Tick, to: &Tick, streams: bool) -> Self {
        let seconds = to.now.since(from.now).as_secs_f64().max(1e-9);
        let completed = to.completed.wrapping_sub(from.completed) as f64;
        let refused = to.refused.wrapping_sub(from.refused) as f64;
        let count = if streams {
            to.units.wrapping_sub(from.units) as f64
        } else {
            completed
        };
        Self {
            count,
            work: count / seconds,
            busy: to.busy.wrapping_sub(from.busy) as f64 / 1e9 / seconds,
            limit: f64::from(to.limit),
            refused: refused / (refused + completed).max(1.0),
        }
    }

    /// Whether the limit made a difference.
    pub(super) fn used(&self, utilisation: f64, refused: f64) -> bool {
        self.busy >= utilisation * self.limit || self.refused > refused
    }

    /// How much more work, and how many more calls, than in `other`: both as logarithms.
    pub(super) fn over(&self, other: Self) -> (f64, f64) {
        let ln = |high: f64, low: f64| (high.max(1e-9) / low.max(1e-9)).ln();
        (ln(self.work, other.work), ln(self.busy, other.busy))
    }
}

// ===== impl Pace =====

impl Pace {
    /// Calls that are remembered.
    const MEMORY: f64 = 32.0;
    /// Pieces of a call from which on it streams.
    const STREAMS: f64 = 8.0;
    /// How long to wait before anything is known.
    const SOON: Duration = Duration::from_millis(1);

    pub(super) fn learn(&mut self, tick: &Tick) {
        if let Some(last) = self.last {
            self.busy += tick.busy.wrapping_sub(last.busy) as f64 / 1e9;
            self.completed += tick.completed.wrapping_sub(last.completed) as f64;
            self.units += tick.units.wrapping_sub(last.units) as f64;
            if self.completed > Self::MEMORY {
                let keep = Self::MEMORY / 2.0 / self.completed;
                self.busy *= keep;
                self.completed *= keep;
                self.units *= keep;
            }
        }
        self.last = Some(*tick);
    }

    /// Whether any call has been served.
    pub(super) fn known(&self) -> bool {
        self.completed > 0.0
    }

    /// How long a call takes: calls in flight over time, by calls served (Little's law).
    pub(super) fn round_trip(&self) -> Duration {
        let seconds = self.busy / self.completed.max(1.0);
        // A day, where nothing is ever served.
        Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0))
    }

    /// Whether work is pieces.
    pub(super) fn streams(&self, work: Work) -> bool {
        match work {
            Work::Streamed => true,
            Work::Completions => false,
            Work::Auto => self.units >= Self::STREAMS * self.completed.max(1.0),
        }
    }

    /// How long to wait for the rest of a half of which `lasted` has brought `count` of `least`.
    pub(super) fn patience(&self, lasted: Duration, count: f64, least: f64) -> Duration {
        let rest = if count < least {
            lasted.mul_f64(((least - count) / count.max(1.0)).min(1.0))
        } else {
            lasted / 8
        };
        rest.max(Self::SOON)
    }
}
