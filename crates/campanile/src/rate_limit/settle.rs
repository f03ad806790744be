use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    CachedTokens, Unit,
    buckets::{Place, Store},
    limiter::Limiter,
    state::{Amounts, UNITS},
};
use crate::{
    completion::Observe,
    cost::{Reported, Usage},
    lane::Share,
    outcome::{FailureKind, Outcome},
    rejection::Rejection,
    time::Timestamp,
};

/// What was reserved for a call. When the call ends it is settled against what the upstream reported.
///
/// | the call | requests | tokens and money |
/// |---|---|---|
/// | usage was reported, however it ended | stay taken | as reported: the rest is given back, or more is charged |
/// | a layer further in refused it: it went nowhere | given back | given back |
/// | throttled, overloaded, refused as faulty, failed on the server | stay taken | given back: no work was done |
/// | failed before its head | stay taken | given back |
/// | timed out, cancelled, broken off, nothing reported | stay taken | as estimated: the upstream may well have worked |
/// | succeeded, nothing reported | stay taken | as estimated |
pub struct Settle<B: Store> {
    limiter: Share<Limiter<B>>,
    key: B::Key,
    reserved: Amounts,
    used: Reported,
    notes: Notes,
}

/// When the call began, and what is to be remembered of it: in one word, since every call carries it along. Its last bits,
/// worth 8 ns, are the notes. Atomic, so that a body that carries this is as `Sync` as it was.
#[derive(Debug)]
pub(super) struct Notes(AtomicU64);

/// A panic within the call itself gives back what was reserved for it.
pub(super) struct Calling<'a, B: Store> {
    pub(super) limiter: &'a Limiter<B>,
    pub(super) key: &'a B::Key,
    pub(super) place: Place,
    pub(super) reserved: &'a Amounts,
}

// ===== impl Settle =====

impl<B: Store> Settle<B> {
    #[inline(always)]
    pub(super) const fn new(
        limiter: Share<Limiter<B>>,
        key: B::Key,
        reserved: Amounts,
        notes: Notes,
    ) -> Self {
        Self {
            limiter,
            key,
            reserved,
            used: Reported::NOTHING,
            notes,
        }
    }

    /// Whether nothing was done for the call.
    fn undone(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Throttled { .. } | Outcome::Overloaded { .. } | Outcome::Ignored => true,
            Outcome::Failure(FailureKind::Server) => true,
            Outcome::Failure(FailureKind::Timeout) => false,
            Outcome::Failure(_) => !self.notes.has(Notes::ANSWERED),
            _ => false,
        }
    }

    /// Whether the call took what it was estimated to, as far as anybody knows.
    #[inline(always)]
    fn as_estimated(&self, outcome: Outcome) -> bool {
        outcome.is_success() && self.used.is_nothing()
    }

    fn settle(&self, outcome: Outcome) {
        let undone = self.undone(outcome);
        let mut back = [0; UNITS];
        let mut more = [0; UNITS];
        let by_unit = [
            (Unit::Tokens, self.used.tokens()),
            (Unit::NanoDollars, self.used.nano_dollars()),
        ];
        for (unit, reported) in by_unit {
            let unit = unit.index();
            let took = match reported {
                Some(units) => self.limiter.meters.unit_parts(unit, units),
                None if undone => 0,
                None => continue,
            };
            back[unit] = self.reserved[unit].saturating_sub(took);
            more[unit] = took.saturating_sub(self.reserved[unit]);
        }
        if back != more {
            self.limiter
                .settle(&self.key, self.notes.place(), &back, &more);
        }
    }
}

impl<B: Store> Observe for Settle<B> {
    #[inline]
    fn head(&mut self, _now: Timestamp) {
        self.notes.add(Notes::ANSWERED);
    }

    #[inline]
    fn usage(&mut self, usage: &Usage) {
        match self.limiter.config.cached_tokens {
            CachedTokens::Count => self.used.report(usage),
            CachedTokens::Free => self.used.report(&uncached(usage)),
        }
    }

    fn refused(&mut self, rejection: &Rejection) {
        if rejection.kept_back() {
            self.notes.add(Notes::REFUSED);
        }
    }

    // The time that it is told is not looked at: it is read again where something is to be done, so that a plain call
    // reads the clock once.
    #[inline]
    fn clock(&self) -> Timestamp {
        self.notes.begun()
    }

    #[inline(always)]
    fn end(&mut self, _now: Timestamp, outcome: Outcome) {
        if !self.as_estimated(outcome) || self.limiter.meters.is_slowed() {
            self.end_otherwise(outcome);
        }
    }
}

impl<B: Store> Settle<B> {
    #[inline(never)]
    fn end_otherwise(&self, outcome: Outcome) {
        let place = self.notes.place();
        if self.notes.has(Notes::REFUSED) {
            let none = [0; UNITS];
            self.limiter.settle(&self.key, place, &self.reserved, &none);
            return;
        }
        self.settle(outcome);
        self.limiter
            .learn(&self.key, place, outcome, self.notes.begun());
    }
}

/// What was reported, but for what came from the upstream's cache.
fn uncached(usage: &Usage) -> Usage {
    let cached = usage.cached_tokens.unwrap_or(0);
    let input = usage.input_tokens;
    Usage {
        input_tokens: input.map(|input| input.saturating_sub(cached)),
        ..*usage
    }
}

// ===== impl Notes =====

impl Notes {
    const SHARED: u64 = 1;
    /// The head arrived.
    const ANSWERED: u64 = 2;
    /// A layer further in refused the call.
    pub(super) const REFUSED: u64 = 4;
    const ALL: u64 = Self::SHARED | Self::ANSWERED | Self::REFUSED;

    #[inline(always)]
    pub(super) const fn word(begun: Timestamp, place: Place) -> u64 {
        let place = match place {
            Place::Own => 0,
            Place::Shared => Self::SHARED,
        };
        begun.as_nanos() & !Self::ALL | place
    }

    #[inline(always)]
    pub(super) const fn of(word: u64) -> Self {
        Self(AtomicU64::new(word))
    }

    fn add(&self, note: u64) {
        let notes = self.0.load(Ordering::Relaxed);
        self.0.store(notes | note, Ordering::Relaxed);
    }

    fn has(&self, note: u64) -> bool {
        self.0.load(Ordering::Relaxed) & note != 0
    }

    #[inline]
    pub(super) fn begun(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.load(Ordering::Relaxed) & !Self::ALL)
    }

    pub(super) fn place(&self) -> Place {
        if self.has(Self::SHARED) {
            Place::Shared
        } else {
            Place::Own
        }
    }
}

// ===== impl Calling =====

impl<B: Store> Drop for Calling<'_, B> {
    /// The call panicked.
    fn drop(&mut self) {
        let [_, tokens, money] = *self.reserved;
        self.limiter
            .settle(self.key, self.place, &[0, tokens, money], &[0; UNITS]);
    }
}

impl<B: Store> fmt::Debug for Settle<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settle")
            .field("reserved", &self.reserved)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}
