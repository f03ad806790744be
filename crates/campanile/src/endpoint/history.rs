//! For how long a gate was closed, and how often.
//!
//! # Correctness
//!
//! The time until which a reason holds changes by swaps alone, so every change knows the one before it, and they form a
//! chain. Each change adds where the stretch before it ended, and takes off where its own stretch begins: the sum of all is
//! the time of the stretches that are over, less the beginning of the one that is not, in whatever order the sums are made.
//! Beside it, in the same word, stands how many stretches have a beginning and no end yet: one while the reason holds, none
//! otherwise, and for a moment something else while changes race.
//!
//! A stretch that ran out unnoticed is ended before the time that ended it is swapped for another, or a look in between
//! would count the gap. If two do that at once, the one that does not get that time from its swap takes its sum back. A look
//! that finds changes under way looks again, a few times: its writers are at work, or were interrupted, and it does not wait
//! for them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Reason;
use crate::{
    config::seconds,
    sync::{AtomicU64, Ordering},
    time::{Timestamp, number},
};

/// For how long, and how often, a gate has been closed for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GateHistory {
    /// The reason.
    pub reason: Reason,
    /// Whether it is closed for it now.
    pub closed: bool,
    /// How often it was closed for it. One that only moves the time of the one before is not counted.
    pub closings: u64,
    /// How long it was closed for it in all, the present time included; written as a number of seconds.
    #[serde(
        serialize_with = "number::serialize",
        deserialize_with = "seconds::deserialize"
    )]
    pub time: Duration,
}

/// The closings for one reason, and the time of all of them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    closings: AtomicU64,
    /// From the low end: the stretches that have begun and not ended ([`OPEN_BITS`]), and the sum of nanoseconds, both with
    /// a sign. 59 bits of nanoseconds are nine years of being closed.
    word: AtomicU64,
}

const OPEN_BITS: u32 = 5;
/// How often a look tries to find no change under way.
const LOOKS: u32 = if cfg!(campanile_loom) { 2 } else { 64 };

/// What the end of a stretch, at `nanos`, adds to the word.
const fn end(nanos: u64) -> u64 {
    (nanos << OPEN_BITS).wrapping_sub(1)
}

/// What its beginning adds.
const fn begin(nanos: u64) -> u64 {
    end(nanos).wrapping_neg()
}

// ===== impl Ledger =====

impl Ledger {
    /// Changes the time until which the reason holds, from `now` on; returns the time before.
    pub(super) fn replace(&self, until: &AtomicU64, new: Timestamp, now: Timestamp) -> Timestamp {
        let now = now.as_nanos();
        let new = new.as_nanos();
        let seen = until.load(Ordering::SeqCst);
        let early = if seen != 0 && seen <= now {
            end(seen)
        } else {
            0
        };
        self.add(early);
        let before = until.swap(new, Ordering::SeqCst);
        let ended = if before == 0 { 0 } else { end(before.min(now)) };
        let begun = if new == 0 { 0 } else { begin(new.min(now)) };
        self.add(ended.wrapping_sub(early).wrapping_add(begun));
        if before <= now && now < new {
            self.closings.fetch_add(1, Ordering::Relaxed);
        }
        Timestamp::from_nanos(before)
    }

    fn add(&self, change: u64) {
        if change != 0 {
            self.word.fetch_add(change, Ordering::SeqCst);
        }
    }

    pub(super) fn closings(&self) -> u64 {
        self.closings.load(Ordering::Relaxed)
    }

    /// The time of all closings up to `now`.
    pub(super) fn time(&self, until: &AtomicU64, now: Timestamp) -> Duration {
        let mut looks = 0;
        loop {
            let word = self.word.load(Ordering::SeqCst);
            let ends = match until.load(Ordering::SeqCst) {
                0 => now.as_nanos(),
                until => until.min(now.as_nanos()),
            };
            let again = self.word.load(Ordering::SeqCst);
            let (sum, open) = split(word);
            looks += 1;
            if (word == again && (open == 0 || open == 1)) || looks == LOOKS {
                let time = sum.saturating_add(open.saturating_mul(ends.cast_signed()));
                return Duration::from_nanos(time.max(0).cast_unsigned());
            }
            std::hint::spin_loop();
        }
    }
}

/// The sum of nanoseconds, and how many stretches have begun and not ended.
const fn split(word: u64) -> (i64, i64) {
    let unused = u64::BITS - OPEN_BITS;
    let open = (word << unused).cast_signed() >> unused;
    let sum = word.cast_signed().wrapping_sub(open) >> OPEN_BITS;
    (sum, open)
}
