use std::{fmt, sync::Arc};

use super::{
    lane::{Lane, Lanes},
    state::{Pass, Refusal},
    word::Word,
};
use crate::{
    completion::Observe,
    outcome::Outcome,
    rejection::{Rejection, RejectionKind},
    time::Timestamp,
};

/// What a call was let in with, carried by its future and then by its body or stream: it tells the breaker how the call
/// ended, and gives back a place in half-open.
pub struct Admission {
    lane: Arc<Lane>,
    word: Word,
    pass: Pass,
    /// From when on the call is slow; [`Timestamp::MAX`] where that is not told, or was told already.
    slow_at: Timestamp,
    slow: bool,
    /// A layer further in refused it.
    refused: bool,
}

// ===== impl Admission =====

impl Admission {
    /// Lets a call in, or says why not.
    #[inline(always)]
    pub(super) fn new(lanes: &Lanes) -> Result<Self, Rejection> {
        let word = lanes.breaker.word();
        let slow_at = if word.is_timed() {
            lanes.breaker.slow_at(Timestamp::now())
        } else {
            Timestamp::MAX
        };
        let pass = if word.asks() {
            Self::ask(lanes, word)?
        } else {
            Pass {
                generation: word.generation(),
                lease: 0,
            }
        };
        Ok(Self {
            lane: Arc::clone(lanes.lane()),
            word,
            pass,
            slow_at,
            slow: false,
            refused: false,
        })
    }

    #[cold]
    fn ask(lanes: &Lanes, word: Word) -> Result<Pass, Rejection> {
        let now = Timestamp::now();
        lanes
            .breaker
            .admit(word, now)
            .map_err(|refusal| refusal.at(now))
    }

    /// Tells once whether the call is slow.
    fn tell_slow(&mut self, now: Timestamp) {
        self.slow |= now >= self.slow_at;
        self.slow_at = Timestamp::MAX;
    }

    #[cold]
    fn end_otherwise(&mut self, now: Timestamp, outcome: Outcome) {
        let says_nothing = matches!(outcome, Outcome::Cancelled | Outcome::Ignored) && !self.slow;
        if says_nothing && self.pass.lease == 0 {
            return;
        }
        let now = if now == Timestamp::ZERO {
            Timestamp::now()
        } else {
            now
        };
        self.lane.breaker.end(self.pass, outcome, self.slow, now);
    }
}

impl Observe for Admission {
    #[inline]
    fn head(&mut self, now: Timestamp) {
        if self.word.until_head() {
            self.tell_slow(now);
        }
    }

    #[inline]
    fn data(&mut self, now: Timestamp, _units: u64) {
        if self.word.until_first_data() && self.slow_at != Timestamp::MAX {
            self.tell_slow(now);
        }
    }

    fn refused(&mut self, rejection: &Rejection) {
        self.refused = rejection.kind() != RejectionKind::TimedOut;
    }

    /// Most calls need no time at all.
    #[inline]
    fn clock(&self) -> Timestamp {
        if self.word.needs_clock() {
            Timestamp::now()
        } else {
            Timestamp::ZERO
        }
    }

    #[inline(always)]
    fn end(&mut self, now: Timestamp, outcome: Outcome) {
        let breaker = &self.lane.breaker;
        let word = breaker.word();
        if self.slow_at != Timestamp::MAX {
            self.slow |= now >= self.slow_at;
        }
        if self.refused {
            // A refusal further in, ours or another's, says nothing of the service.
            return self.end_otherwise(now, Outcome::Ignored);
        }
        if !outcome.is_success() || self.pass.lease != 0 || self.slow || word.tells() {
            return self.end_otherwise(now, outcome);
        }
        if word.counts() && word.generation() == self.pass.generation {
            if word.rolls() {
                breaker.roll(now);
            }
            self.lane.fine.count();
        }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("generation", &self.pass.generation)
            .field("lease", &self.pass.lease)
            .finish_non_exhaustive()
    }
}

// ===== impl Refusal =====

impl Refusal {
    /// The error that says so.
    fn at(self, now: Timestamp) -> Rejection {
        let rejection = Rejection::new(self.kind, super::NAME);
        if self.exact && self.until != Timestamp::MAX {
            rejection.with_retry_after(self.until.since(now))
        } else {
            rejection
        }
    }
}
