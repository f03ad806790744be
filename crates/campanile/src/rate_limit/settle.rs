use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    Unit,
    buckets::{Place, Store},
    learn::Advice,
    limiter::Limiter,
    state::{Amounts, UNITS},
};
use crate::{
    completion::Observe,
    cost::Usage,
    outcome::{FailureKind, Outcome},
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
    limiter: Arc<Limiter<B>>,
    key: B::Key,
    place: Place,
    reserved: Amounts,
    used: Used,
    begun: Timestamp,
    answered: bool,
    /// A layer further in refused the call. Atomic, so that a body that carries this is as `Sync` as it was.
    refused: AtomicBool,
}

/// What was reported, each part by the last report that had it.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    input: Option<u64>,
    output: Option<u64>,
    nano_dollars: Option<u64>,
}

// ===== impl Settle =====

impl<B: Store> Settle<B> {
    #[inline]
    pub(super) fn new(
        limiter: Arc<Limiter<B>>,
        key: B::Key,
        place: Place,
        reserved: Amounts,
        begun: Timestamp,
    ) -> Self {
        Self {
            limiter,
            key,
            place,
            reserved,
            used: Used::default(),
            begun,
            answered: false,
            refused: AtomicBool::new(false),
        }
    }

    /// Whether anybody reads what a response reports.
    pub(super) fn learns(&self) -> bool {
        self.limiter.config.learn.is_some()
    }

    /// Follows what a response reports of the upstream's limits.
    #[cold]
    pub(super) fn follow(&self, advice: &Advice) {
        self.limiter
            .follow(&self.key, self.place, advice, Timestamp::now());
    }

    /// A layer further in refused the call: it says nothing of the upstream.
    pub(super) fn refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    pub(super) const fn begun(&self) -> Timestamp {
        self.begun
    }

    /// Whether nothing was done for the call.
    const fn undone(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Throttled { .. } | Outcome::Overloaded { .. } | Outcome::Ignored => true,
            Outcome::Failure(FailureKind::Server) => true,
            Outcome::Failure(FailureKind::Timeout) => false,
            Outcome::Failure(_) => !self.answered,
            _ => false,
        }
    }

    fn settle(&self, outcome: Outcome) {
        let undone = self.undone(outcome);
        let mut back = [0; UNITS];
        let mut more = [0; UNITS];
        for (unit, reported) in self.used.by_unit() {
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
            self.limiter.settle(&self.key, self.place, &back, &more);
        }
    }
}

impl<B: Store> Observe for Settle<B> {
    #[inline]
    fn head(&mut self, _now: Timestamp) {
        self.answered = true;
    }

    fn usage(&mut self, usage: &Usage) {
        self.used.report(usage);
    }

    // The time that it is told is not looked at: it is read again where something is to be done, so that a plain call
    // reads the clock once.
    #[inline]
    fn end(&mut self, _now: Timestamp, outcome: Outcome) {
        if *self.refused.get_mut() {
            let none = [0; UNITS];
            self.limiter
                .settle(&self.key, self.place, &self.reserved, &none);
            return;
        }
        self.settle(outcome);
        if !matches!(outcome, Outcome::Success) || self.limiter.meters.is_slowed() {
            self.limiter
                .learn(&self.key, self.place, outcome, self.begun);
        }
    }
}

// ===== impl Used =====

impl Used {
    fn report(&mut self, usage: &Usage) {
        self.input = usage.input_tokens.or(self.input);
        self.output = usage.output_tokens.or(self.output);
        self.nano_dollars = usage.nano_dollars.or(self.nano_dollars);
    }

    /// Of the units that are settled.
    #[inline]
    fn by_unit(&self) -> [(Unit, Option<u64>); 2] {
        let tokens = match (self.input, self.output) {
            (None, None) => None,
            (input, output) => Some(input.unwrap_or(0).saturating_add(output.unwrap_or(0))),
        };
        [
            (Unit::Tokens, tokens),
            (Unit::NanoDollars, self.nano_dollars),
        ]
    }
}

impl<B: Store> fmt::Debug for Settle<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settle")
            .field("place", &self.place)
            .field("reserved", &self.reserved)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}
