//! One member of a pool, as the detector sees it.

use std::time::Duration;

use crate::{
    health::outlier::{
        config::OutlierConfig,
        snapshot::OutlierCause,
        window::{Calls, Window},
    },
    time::Timestamp,
};

/// What is to be seen of a member from outside.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Sample {
    /// All its calls up to now.
    pub(in super::super) calls: Calls,
    /// How many have failed since the latest that went well.
    pub(in super::super) in_row: u64,
    /// Its average latency.
    pub(in super::super) latency: Option<Duration>,
}

/// One ejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Ejection {
    pub(in super::super) until: Timestamp,
    pub(in super::super) cause: OutlierCause,
    /// How many of the latest are remembered, this one included.
    pub(in super::super) count: u32,
}

/// One member.
#[derive(Debug)]
pub(in super::super) struct Member {
    pub(super) latest: Sample,
    window: Window,
    /// Where the row of failures is counted from: the sample with which it joined or came back.
    row_from: Sample,
    pub(in super::super) ejection: Option<Ejection>,
    /// Ejections that are not forgotten.
    pub(in super::super) count: u32,
    /// All of them.
    pub(in super::super) ejections: u64,
    pub(in super::super) last_cause: Option<OutlierCause>,
    /// Since when it has served for the forgetting of the next ejection.
    serves_from: Timestamp,
}

// ===== impl Member =====

impl Member {
    /// It joins. What it did before does not count.
    pub(super) fn new(config: &OutlierConfig, sample: Sample, now: Timestamp) -> Self {
        Self {
            latest: sample,
            window: Window::new(config.steps()),
            row_from: sample,
            ejection: None,
            count: 0,
            ejections: 0,
            last_cause: None,
            serves_from: now,
        }
    }

    /// A step is over.
    pub(super) fn note(&mut self, sample: Sample) {
        if self.ejection.is_none() {
            self.window.push(sample.calls.since(self.latest.calls));
        }
        self.latest = sample;
    }

    /// It is ejected.
    pub(super) fn eject(
        &mut self,
        config: &OutlierConfig,
        cause: OutlierCause,
        now: Timestamp,
        chance: f64,
    ) -> Ejection {
        self.forget(config, now);
        self.count = self.count.saturating_add(1);
        self.ejections += 1;
        self.last_cause = Some(cause);
        let ejection = Ejection {
            until: now.after(config.lasts(self.count, chance)),
            cause,
            count: self.count,
        };
        self.ejection = Some(ejection);
        ejection
    }

    /// It is back, if it was ejected. What it did before does not count.
    pub(super) fn back(&mut self, sample: Sample, now: Timestamp) -> Option<Ejection> {
        let ejection = self.ejection.take()?;
        self.window.clear();
        self.latest = sample;
        self.row_from = sample;
        self.serves_from = now;
        Some(ejection)
    }

    /// The calls in its window.
    pub(in super::super) const fn calls(&self) -> Calls {
        self.window.sum()
    }

    /// How many calls have failed in a row since it joined or came back.
    pub(super) fn row(&self, sample: Sample) -> u64 {
        let before = if sample.calls.good == self.row_from.calls.good {
            self.row_from.in_row
        } else {
            // A call has gone well meanwhile: the row is all of later.
            0
        };
        sample.in_row.saturating_sub(before)
    }

    /// Forgets ejections that it has made good.
    pub(super) fn forget(&mut self, config: &OutlierConfig, now: Timestamp) {
        if self.ejection.is_some() {
            return;
        }
        while self.count > 0 && now.since(self.serves_from) >= config.forget_after {
            self.count -= 1;
            self.serves_from = self.serves_from.after(config.forget_after);
        }
    }
}
