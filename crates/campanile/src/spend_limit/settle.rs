use std::{fmt, sync::Arc};

use super::{
    accounts::Store,
    config::Unreported,
    purse::{Held, Purse},
    spending::Reserved,
    unit::SpendUnit,
};
use crate::{
    completion::Observe,
    context::Trail,
    cost::{Cost, Reported, Usage},
    outcome::{FailureKind, Outcome},
    rejection::Rejection,
    time::Timestamp,
};

/// What was reserved for a call. When the call ends, what it took is put in its place, in each unit by itself:
///
/// | the call | is charged |
/// |---|---|
/// | usage was reported, or attempts were charged to its trail, however it ended | the greater of both, be it less or more than was reserved |
/// | a layer further in refused it: it went nowhere | nothing |
/// | throttled, overloaded, refused as faulty, failed on the server | nothing: no work was done |
/// | failed before its head, or panicked in there | nothing |
/// | timed out, cancelled, broken off, nothing reported | what it was estimated to take, unless [`Unreported`] says otherwise: the upstream may well have worked |
/// | succeeded, nothing reported | likewise |
pub struct Settle<B: Store> {
    paid: Paid<B>,
    /// What its attempts are charged to, and nothing else.
    trail: Option<Trail>,
    used: Reported,
    answered: bool,
    refused: bool,
}

/// Where that is kept: once for each call, since to hold on to what is shared is not for nothing.
pub(super) enum Paid<B: Store> {
    Once(Held<B>),
    /// Where more may be reserved for further attempts.
    Purse(Arc<Purse<B>>),
}

// ===== impl Settle =====

impl<B: Store> Settle<B> {
    #[inline(always)]
    pub(super) const fn new(paid: Paid<B>, trail: Option<Trail>) -> Self {
        Self {
            paid,
            trail,
            used: Reported::NOTHING,
            answered: false,
            refused: false,
        }
    }

    /// Whether nothing was done for the call.
    fn undone(&self, outcome: Outcome) -> bool {
        match outcome {
            _ if self.refused => true,
            Outcome::Throttled { .. } | Outcome::Overloaded { .. } | Outcome::Ignored => true,
            Outcome::Failure(FailureKind::Server) => true,
            Outcome::Failure(FailureKind::Timeout) => false,
            Outcome::Failure(_) => !self.answered,
            _ => false,
        }
    }

    /// What is known to have been taken of a unit.
    fn known(&self, unit: SpendUnit, charged: &Cost) -> Option<u64> {
        let charged = Some(unit.of(charged)).filter(|charged| *charged > 0);
        charged.max(match unit {
            SpendUnit::Tokens => self.used.tokens(),
            SpendUnit::Money => self.used.nano_dollars(),
        })
    }
}

impl<B: Store> Observe for Settle<B> {
    #[inline]
    fn head(&mut self, _now: Timestamp) {
        self.answered = true;
    }

    #[inline]
    fn usage(&mut self, usage: &Usage) {
        self.used.report(usage);
    }

    fn refused(&mut self, rejection: &Rejection) {
        self.refused |= rejection.kept_back();
    }

    // The time that it is told is not looked at: it is read again where something is to be done, so that a plain call
    // reads the clock once.
    #[inline]
    fn clock(&self) -> Timestamp {
        Timestamp::ZERO
    }

    fn end(&mut self, _now: Timestamp, outcome: Outcome) {
        let charged = self.trail.as_ref().map_or(Cost::ZERO, Trail::charged);
        let undone = self.undone(outcome);
        let more = self.paid.close();
        let Held {
            spending,
            key,
            reserved,
        } = self.paid.held();
        let unreported = spending.config.unreported;
        spending.settle(key, reserved, &more, |unit, estimated| {
            match (self.known(unit, &charged), unreported) {
                (Some(known), _) => known,
                (None, Unreported::Reserved) if !undone => estimated,
                _ => 0,
            }
        });
    }
}

impl<B: Store> fmt::Debug for Settle<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settle")
            .field("reserved", &self.paid.held().reserved)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

// ===== impl Paid =====

impl<B: Store> Paid<B> {
    #[inline]
    fn held(&self) -> &Held<B> {
        match self {
            Self::Once(held) => held,
            Self::Purse(purse) => &purse.held,
        }
    }

    /// What was reserved for further attempts. From now on nothing more is.
    #[inline]
    fn close(&self) -> Vec<Reserved> {
        match self {
            Self::Once(_) => Vec::new(),
            Self::Purse(purse) => purse.close(),
        }
    }
}
