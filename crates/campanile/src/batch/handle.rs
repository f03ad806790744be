use std::sync::Arc;

use serde::Serialize;

use super::{BatchConfig, FlushCause, control::Control};
use crate::{
    collect::{Collect, Metric, Sink, Value},
    config::Invalid,
};

/// Batches in the hand: to look at them, and to send them. Clones are the same.
///
/// What is made [of one handle](super::BatchLayer::shared) shares its bounds: batches in flight, items that wait, and
/// the size that was found.
///
/// ```
/// use campanile::batch::{BatchConfig, BatchHandle};
///
/// let handle = BatchHandle::new(BatchConfig::default())?;
/// handle.flush();
/// assert_eq!(handle.snapshot().batches, 0);
/// # Ok::<_, campanile::config::Invalid>(())
/// ```
#[derive(Debug, Clone)]
pub struct BatchHandle {
    pub(super) control: Arc<Control>,
}

/// What is known of batches. Counts are since the start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BatchSnapshot {
    /// Batches that have not been sent: those that are filling, and those that wait for their turn.
    pub open: usize,
    /// Items in them.
    pub waiting: usize,
    /// Batches in flight.
    pub in_flight: usize,
    /// Batches that were sent. One that was split is one.
    pub batches: u64,
    /// Items in them.
    pub items: u64,
    /// Items in a batch, on average; `None` before the first.
    pub mean_size: Option<f64>,
    /// Batches by why they were sent when they were.
    pub flushes: Flushes,
    /// Calls that failed as a whole, those of parts of a batch too.
    pub failed: u64,
    /// How often a batch, or a part of one, was halved after it failed.
    pub splits: u64,
    /// Items that were refused: too many waited, or their deadlines passed before they were sent.
    pub refused: u64,
    /// Items whose callers left before they were sent.
    pub left: u64,
    /// The most items in a batch, at present.
    pub size: usize,
}

/// Batches by [why they were sent](FlushCause).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
#[allow(missing_docs)] // those of the causes
pub struct Flushes {
    pub size: u64,
    pub cost: u64,
    pub timeout: u64,
    pub idle: u64,
    pub deadline: u64,
    pub asked: u64,
    pub closed: u64,
}

static OPEN: Metric = Metric::new("batch_open", "Batches that have not been sent.");
static WAITING: Metric = Metric::new("batch_waiting", "Items that wait to be sent.");
static IN_FLIGHT: Metric = Metric::new("batch_in_flight", "Batches in flight.");
static BATCHES: Metric = Metric::new("batch_flushes", "Batches that were sent, by why.");
static ITEMS: Metric = Metric::new("batch_items", "Items that were sent.");
static FAILED: Metric = Metric::new("batch_failures", "Calls that failed as a whole.");
static SPLITS: Metric = Metric::new("batch_splits", "Batches that were halved after failing.");
static REFUSED: Metric = Metric::new("batch_refusals", "Items that were refused.");
static LEFT: Metric = Metric::new("batch_left", "Items whose callers left before.");
static SIZE: Metric = Metric::new("batch_size_limit", "The most items in a batch, at present.");

// ===== impl BatchHandle =====

impl BatchHandle {
    /// A handle for as many services as are to [share](super::BatchLayer::shared) it.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: BatchConfig) -> Result<Self, Invalid> {
        Ok(Self::checked(config.build()?))
    }

    pub(super) fn checked(config: BatchConfig) -> Self {
        Self {
            control: Arc::new(Control::new(config)),
        }
    }

    /// Sends every open batch as soon as that can be.
    pub fn flush(&self) {
        self.control.flush();
    }

    /// Everything that is known.
    #[must_use]
    pub fn snapshot(&self) -> BatchSnapshot {
        self.control.snapshot()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &BatchConfig {
        &self.control.config
    }
}

impl Collect for BatchHandle {
    fn collect(&self, sink: &mut dyn Sink) {
        let snapshot = self.snapshot();
        sink.gauge(&OPEN, snapshot.open as f64);
        sink.gauge(&WAITING, snapshot.waiting as f64);
        sink.gauge(&IN_FLIGHT, snapshot.in_flight as f64);
        for cause in FlushCause::ALL {
            let label = Some(("cause", cause.name()));
            let count = snapshot.flushes.of(cause) as f64;
            sink.sample(&BATCHES, label, Value::Counter(count));
        }
        sink.counter(&ITEMS, snapshot.items as f64);
        sink.counter(&FAILED, snapshot.failed as f64);
        sink.counter(&SPLITS, snapshot.splits as f64);
        sink.counter(&REFUSED, snapshot.refused as f64);
        sink.counter(&LEFT, snapshot.left as f64);
        sink.gauge(&SIZE, snapshot.size as f64);
    }
}

// ===== impl Flushes =====

impl Flushes {
    /// Those of one cause.
    #[must_use]
    pub const fn of(&self, cause: FlushCause) -> u64 {
        match cause {
            FlushCause::Size => self.size,
            FlushCause::Cost => self.cost,
            FlushCause::Timeout => self.timeout,
            FlushCause::Idle => self.idle,
            FlushCause::Deadline => self.deadline,
            FlushCause::Asked => self.asked,
            FlushCause::Closed => self.closed,
        }
    }
}
