//! The counts of a window, written by every call.

use crossbeam_utils::CachePadded;

use super::Counts;
use crate::{
    lane::{LANES, lane},
    sync::{AtomicU64, Ordering::Relaxed},
};

/// An error, in the upper half of the word whose lower half counts calls. A window has less than 2^32 calls in a lane: an
/// hour at a million a second.
const ERROR: u64 = 1 << 32;

/// Counts in as many lines as threads. A fast call that succeeds is one addition to a line that no other thread writes.
#[derive(Debug, Default)]
pub(super) struct Tally([CachePadded<Lane>; LANES]);

#[derive(Debug, Default)]
struct Lane {
    /// Calls, and errors in the upper half.
    calls: AtomicU64,
    /// Calls that were not fast, and slow ones in the upper half.
    latency: AtomicU64,
}

// ===== impl Tally =====

impl Tally {
    /// Counts a call that succeeded.
    #[inline]
    pub(super) fn success(&self, slow: bool, not_fast: bool) {
        let lane = &self.0[lane()];
        lane.calls.fetch_add(1, Relaxed);
        if not_fast || slow {
            let latency = u64::from(not_fast) | u64::from(slow) << 32;
            lane.latency.fetch_add(latency, Relaxed);
        }
    }

    /// Counts a call that did not.
    #[cold]
    pub(super) fn error(&self) {
        self.0[lane()].calls.fetch_add(ERROR | 1, Relaxed);
    }

    /// What was counted, from here on counted anew. Each call is in one count: the latency of one that is counted right now
    /// may be in the next.
    pub(super) fn take(&self) -> Counts {
        self.sum(|word| word.swap(0, Relaxed))
    }

    pub(super) fn read(&self) -> Counts {
        self.sum(|word| word.load(Relaxed))
    }

    fn sum(&self, word: impl Fn(&AtomicU64) -> u64) -> Counts {
        let mut counts = Counts::default();
        for lane in &self.0 {
            let (calls, latency) = (word(&lane.calls), word(&lane.latency));
            counts.calls += calls % ERROR;
            counts.errors += calls / ERROR;
            counts.not_fast += latency % ERROR;
            counts.slow += latency / ERROR;
        }
        counts
    }
}
