//! What is common to all batches of a service, whatever their types: settings, bounds and counts.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::{
    cause::FlushCause,
    config::BatchConfig,
    handle::{BatchSnapshot, Flushes},
    size::Aimd,
};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, Ordering, lock};

/// What all services of one handle share.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) config: BatchConfig,
    /// For batches in flight, where they are limited.
    pub(super) permits: Option<Arc<Semaphore>>,
    waiting: AtomicUsize,
    open: AtomicUsize,
    in_flight: AtomicUsize,
    /// The present size of batches.
    size: AtomicUsize,
    aimd: Option<Mutex<Aimd>>,
    flushes: [AtomicU64; FlushCause::ALL.len()],
    sent: AtomicU64,
    items: AtomicU64,
    failed: AtomicU64,
    splits: AtomicU64,
    refused: AtomicU64,
    left: AtomicU64,
    services: Mutex<Vec<Weak<dyn Batches>>>,
}

/// The open batches of one service.
pub(super) trait Batches: Send + Sync {
    /// All go as soon as they can.
    fn flush_all(&self, cause: FlushCause);

    /// The one that has been open longest goes as soon as it can. Whether there was any.
    fn flush_oldest(&self, cause: FlushCause) -> bool;
}

/// An item that waits, unless what comes next panics.
#[derive(Debug)]
pub(super) struct Admitted<'a>(&'a Control);

/// A batch in flight.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Control>);

// ===== impl Control =====

impl Control {
    /// Of settings that were checked.
    pub(super) fn new(config: BatchConfig) -> Self {
        let aimd = Aimd::new(&config);
        let size = aimd.as_ref().map_or(config.max_size, Aimd::size);
        Self {
            permits: config.max_in_flight.map(Semaphore::new).map(Arc::new),
            waiting: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            size: AtomicUsize::new(size),
            aimd: aimd.map(Mutex::new),
            flushes: std::array::from_fn(|_| AtomicU64::new(0)),
            sent: AtomicU64::new(0),
            items: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            splits: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            left: AtomicU64::new(0),
            services: Mutex::new(Vec::new()),
            config,
        }
    }

    /// Knows of the batches of one more service.
    pub(super) fn add(&self, batches: Weak<dyn Batches>) {
        let mut services = lock(&self.services);
        services.retain(|service| service.strong_count() > 0);
        services.push(batches);
    }

    fn services(&self) -> Vec<Arc<dyn Batches>> {
        lock(&self.services)
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }

    pub(super) fn flush(&self) {
        for service in self.services() {
            service.flush_all(FlushCause::Asked);
        }
    }

    /// The most items in a batch, at present.
    #[inline]
    pub(super) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// One more item waits, if it may.
    #[inline]
    pub(super) fn admit(&self) -> Option<Admitted<'_>> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let admitted = Admitted(self);
        if before < self.config.max_waiting {
            return Some(admitted);
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// When a batch goes that begins now.
    pub(super) fn due(&self, now: Instant) -> Instant {
        // Time cannot hold much more.
        const EVER: Duration = Duration::from_secs(1_000_000_000);
        now + self.config.batch_timeout.min(EVER)
    }

    /// So many items wait no more.
    #[inline]
    pub(super) fn release(&self, items: usize) {
        self.waiting.fetch_sub(items, Ordering::Relaxed);
    }

    /// An item left before it was sent.
    pub(super) fn leave(&self) {
        self.release(1);
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    /// So many items were refused.
    pub(super) fn refuse(&self, items: usize) {
        self.refused.fetch_add(items as u64, Ordering::Relaxed);
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// A batch is over, or is sent.
    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// A batch is sent. Its number, from 1.
    pub(super) fn sent(&self, cause: FlushCause, items: usize) -> u64 {
        self.flushes[cause as usize].fetch_add(1, Ordering::Relaxed);
        self.items.fetch_add(items as u64, Ordering::Relaxed);
        self.sent.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A batch failed as a whole.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn split(&self) {
        self.splits.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether anything is learned of how long a batch takes.
    pub(super) const fn learns(&self) -> bool {
        self.aimd.is_some()
    }

    /// A batch took so long.
    pub(super) fn learn(&self, number: u64, full: bool, took: Duration) {
        if let Some(aimd) = &self.aimd {
            let mut aimd = lock(aimd);
            aimd.ended(number, full, took, self.sent.load(Ordering::Relaxed));
            self.size.store(aimd.size(), Ordering::Relaxed);
        }
    }

    /// Whether a batch may go since no other is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.config.when_idle && self.in_flight.load(Ordering::SeqCst) == 0
    }

    /// If nothing is in flight, the oldest batch goes.
    ///
    /// # Correctness
    ///
    /// A batch is among the open ones before its task looks whether anything is in flight, and whoever ends a flight
    /// counts it out before looking for an open batch, by the same lock: so either the task sees that nothing is in
    /// flight, or the batch is seen here. A batch that was chosen here and then left by everyone passes the turn on
    /// when its task ends.
    pub(super) fn pass_on(&self) {
        if self.is_idle() {
            let _ = self
                .services()
                .iter()
                .any(|service| service.flush_oldest(FlushCause::Idle));
        }
    }

    pub(super) fn snapshot(&self) -> BatchSnapshot {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let flushes = |cause: FlushCause| count(&self.flushes[cause as usize]);
        let (batches, items) = (count(&self.sent), count(&self.items));
        BatchSnapshot {
            open: self.open.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            batches,
            items,
            mean_size: (batches > 0).then(|| items as f64 / batches as f64),
            flushes: Flushes {
                size: flushes(FlushCause::Size),
                cost: flushes(FlushCause::Cost),
                timeout: flushes(FlushCause::Timeout),
                idle: flushes(FlushCause::Idle),
                deadline: flushes(FlushCause::Deadline),
                asked: flushes(FlushCause::Asked),
                closed: flushes(FlushCause::Closed),
            },
            failed: count(&self.failed),
            splits: count(&self.splits),
            refused: count(&self.refused),
            left: count(&self.left),
            size: self.size(),
        }
    }
}

// ===== impl Admitted =====

impl Admitted<'_> {
    /// It has joined a batch.
    pub(super) fn joined(self) {
        std::mem::forget(self);
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.0.release(1);
    }
}

// ===== impl InFlight =====

impl InFlight {
    pub(super) fn new(control: &Arc<Control>) -> Self {
        control.in_flight.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(control))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.pass_on();
        }
    }
}

impl std::fmt::Debug for dyn Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Batches")
    }
}
