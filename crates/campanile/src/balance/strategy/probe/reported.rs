use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use super::super::LoadReport;
use crate::time::{Timestamp, nanos};

/// The last load that an endpoint reported. Written as a report comes, without a lock: a reader may see parts of two
/// reports that come at once, which are as good as each other.
#[derive(Debug, Default)]
pub struct Reported {
    /// Nanoseconds; zero before the first report.
    at: AtomicU64,
    /// Nanoseconds; zero when unknown.
    time_per_unit: AtomicU64,
    /// One more than that; zero when unknown.
    in_flight: AtomicU32,
    /// Zero when unknown.
    max_batch: AtomicU32,
    /// Our own calls in flight when the report came.
    own: AtomicU32,
}

// ===== impl Reported =====

impl Reported {
    pub(in super::super) fn store(&self, now: Timestamp, own: u32, report: &LoadReport) {
        self.own.store(own, Ordering::Relaxed);
        self.in_flight.store(
            report.in_flight.map_or(0, |count| count.saturating_add(1)),
            Ordering::Relaxed,
        );
        self.max_batch
            .store(report.max_batch.unwrap_or(0), Ordering::Relaxed);
        self.time_per_unit.store(
            report.time_per_unit.map_or(0, |time| nanos(time).max(1)),
            Ordering::Relaxed,
        );
        self.at.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// The report, with the time it came.
    pub(in super::super) fn load(&self) -> Option<(Timestamp, LoadReport)> {
        let at = self.at.load(Ordering::Relaxed);
        if at == 0 {
            return None;
        }
        let some = |number: u32| (number != 0).then_some(number);
        let report = LoadReport {
            in_flight: some(self.in_flight.load(Ordering::Relaxed)).map(|more| more - 1),
            time_per_unit: match self.time_per_unit.load(Ordering::Relaxed) {
                0 => None,
                time => Some(Duration::from_nanos(time)),
            },
            max_batch: some(self.max_batch.load(Ordering::Relaxed)),
            ..LoadReport::default()
        };
        Some((Timestamp::from_nanos(at), report))
    }

    /// Our own calls in flight when the report came.
    pub(in super::super) fn own(&self) -> u32 {
        self.own.load(Ordering::Relaxed)
    }
}
