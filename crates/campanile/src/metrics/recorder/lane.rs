//! What each thread writes to when it records.

use std::{array, fmt, sync::Arc};

use super::{core::Core, record::Record};
use crate::{
    sync::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::Timestamp,
};

/// Records that a lane holds.
#[cfg(not(campanile_loom))]
pub(super) const RECORDS: usize = 32;
#[cfg(campanile_loom)]
pub(super) const RECORDS: usize = 2;

/// How many there are when they are passed on, so that there is room left while another thread does so.
const MANY: u64 = RECORDS as u64 * 3 / 4;

/// What the calls of one thread write to. Alone in its cache lines, and so is the count of its handles in front of it.
///
/// A record is written into the place that a writer claims by moving the head, and read by whoever holds the aggregate,
/// in order, up to a place that is claimed and not yet written. The tail moves on when a place is empty again. So nothing
/// is lost or read twice, and nobody waits for a writer that is held up: those behind it find the lane full, and tell the
/// aggregate themselves.
#[repr(align(128))]
pub(super) struct Lane {
    pub(super) core: Arc<Core>,
    head: AtomicU64,
    tail: AtomicU64,
    started: AtomicU64,
    last_used: AtomicU64,
    pub(super) took: Took,
    /// Zero where nothing is written.
    records: [AtomicU64; RECORDS],
}

/// What calls took, in sum.
#[derive(Debug, Default)]
pub(super) struct Took {
    pub(super) input_tokens: AtomicU64,
    pub(super) output_tokens: AtomicU64,
    pub(super) cached_tokens: AtomicU64,
    pub(super) nano_dollars: AtomicU64,
    pub(super) sent_bytes: AtomicU64,
    pub(super) received_bytes: AtomicU64,
}

// ===== impl Lane =====

impl Lane {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            head: AtomicU64::new(0),
            tail: AtomicU64::new(0),
            started: AtomicU64::new(0),
            last_used: AtomicU64::new(0),
            took: Took::default(),
            records: array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// A call begins.
    #[inline(always)]
    pub(super) fn start(&self, now: Timestamp) {
        self.started.fetch_add(1, Relaxed);
        // The lane's own threads may overtake each other by a hair.
        self.last_used.store(now.as_nanos(), Relaxed);
    }

    pub(super) fn started(&self) -> u64 {
        self.started.load(Relaxed)
    }

    pub(super) fn last_used(&self) -> Timestamp {
        Timestamp::from_nanos(self.last_used.load(Relaxed))
    }

    /// Takes a record; `now` is the present.
    #[inline(always)]
    pub(super) fn record(&self, record: Record, now: Timestamp) {
        match self.push(record) {
            Some(held) if held < MANY => {}
            Some(_) => self.core.try_fetch(self, now),
            None => self.core.take(self, record, now),
        }
    }

    /// Writes a record, and says how many there are; or `None` when there is no room.
    #[inline(always)]
    fn push(&self, record: Record) -> Option<u64> {
        let mut head = self.head.load(Relaxed);
        loop {
            // With what made the places in front of it empty.
            let held = head.wrapping_sub(self.tail.load(Acquire));
            if held >= RECORDS as u64 {
                let now = self.head.load(Relaxed);
                if now == head {
                    return None;
                }
                // The tail has overtaken what was read of the head.
                head = now;
                continue;
            }
            match self
                .head
                .compare_exchange_weak(head, head + 1, Relaxed, Relaxed)
            {
                Ok(_) => {
                    self.place(head).store(record.word(), Release);
                    return Some(held + 1);
                }
                Err(now) => head = now,
            }
        }
    }

    #[inline(always)]
    fn place(&self, at: u64) -> &AtomicU64 {
        &self.records[at as usize % RECORDS]
    }

    /// Takes the records out. One at a time: the caller holds the aggregate.
    #[inline]
    pub(super) fn fetch(&self, mut take: impl FnMut(Record)) {
        let before = self.tail.load(Relaxed);
        let mut tail = before;
        while tail - before < RECORDS as u64 {
            let place = self.place(tail);
            let Some(record) = Record::from_word(place.load(Acquire)) else {
                break;
            };
            place.store(0, Relaxed);
            take(record);
            tail += 1;
        }
        if tail != before {
            self.tail.store(tail, Release);
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}
