use std::{fmt, mem};

use super::{
    buckets::{Place, Store},
    learn::Advice,
    limiter::Limiter,
    settle::{Notes, Settle},
    state::Amounts,
};
use crate::{completion::Completion, lane::Share, time::Timestamp};

/// A reservation while its call has no answer yet. Dropped, it ends the call as cancelled, or as panicked.
///
/// It becomes a [`Completion`] with the answer, and is none before: a completion is moved as a block, and to read as a
/// block what was just written word by word makes the processor wait for the writing.
pub(super) struct Held<B: Store> {
    link: Option<(Share<Limiter<B>>, B::Key)>,
    requests: u64,
    tokens: u64,
    nano_dollars: u64,
    notes: u64,
}

/// A reservation whose call has its answer.
pub(super) struct Released<B: Store> {
    limiter: Share<Limiter<B>>,
    key: B::Key,
    reserved: Amounts,
    notes: u64,
}

/// Ends the call at once when the service panics.
struct Watch<'a, B: Store>(&'a mut Held<B>);

// ===== impl Held =====

impl<B: Store> Held<B> {
    #[inline(always)]
    pub(super) const fn new(
        limiter: Share<Limiter<B>>,
        key: B::Key,
        place: Place,
        reserved: Amounts,
        begun: Timestamp,
    ) -> Self {
        let [requests, tokens, nano_dollars] = reserved;
        Self {
            link: Some((limiter, key)),
            requests,
            tokens,
            nano_dollars,
            notes: Notes::word(begun, place),
        }
    }

    /// Runs `poll`, which drives the service that the call went to.
    #[inline(always)]
    pub(super) fn watch<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        let watch = Watch(self);
        let polled = poll();
        mem::forget(watch);
        polled
    }

    /// Whether anybody reads what a response reports.
    #[inline]
    pub(super) fn learns(&self) -> bool {
        self.link
            .as_ref()
            .is_some_and(|(limiter, _)| limiter.config.learn.is_some())
    }

    /// Follows what a response reports of the upstream's limits.
    #[cold]
    pub(super) fn follow(&self, advice: &Advice) {
        if let Some((limiter, key)) = &self.link {
            let place = Notes::of(self.notes).place();
            limiter.follow(key, place, advice, Timestamp::now());
        }
    }

    /// A layer further in refused the call.
    #[cold]
    pub(super) const fn refused(&mut self) {
        self.notes |= Notes::REFUSED;
    }

    #[inline]
    pub(super) fn begun(&self) -> Timestamp {
        Notes::of(self.notes).begun()
    }

    /// What is to be settled, once.
    #[inline(always)]
    pub(super) fn release(&mut self) -> Option<Released<B>> {
        let (limiter, key) = self.link.take()?;
        Some(Released {
            limiter,
            key,
            reserved: [self.requests, self.tokens, self.nano_dollars],
            notes: self.notes,
        })
    }

    /// The call has no answer.
    #[cold]
    fn abandon(&mut self) {
        if let Some(released) = self.release() {
            drop(released.guard());
        }
    }
}

impl<B: Store> Drop for Held<B> {
    #[inline]
    fn drop(&mut self) {
        if self.link.is_some() {
            self.abandon();
        }
    }
}

impl<B: Store> fmt::Debug for Held<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("held", &self.link.is_some())
            .finish_non_exhaustive()
    }
}

// ===== impl Released =====

impl<B: Store> Released<B> {
    /// The guard of the call from now on.
    #[inline(always)]
    pub(super) fn guard(self) -> Completion<Settle<B>> {
        let notes = Notes::of(self.notes);
        Completion::new(Settle::new(self.limiter, self.key, self.reserved, notes))
    }
}

// ===== impl Watch =====

impl<B: Store> Drop for Watch<'_, B> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
