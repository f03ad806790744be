use std::{
    collections::{BTreeMap, BTreeSet},
    task::{Poll, Waker},
};

use super::state::Word;
use crate::{
    context::Priority,
    sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock},
};

/// Permits, and those who wait for them: by priority, and in order of arrival within one.
///
/// # Correctness
///
/// The flag in the word says that somebody waits. It is set and cleared under the lock of the queue only, and while it is
/// set nobody takes a permit but under the same lock: the first in line, or who would be the first by joining. So permits
/// are handed over in order, and nobody overtakes but by priority. Who queues sets the flag, then looks at the word once
/// more; who gives back changes the word, then looks at the flag in what it was. Both are read-modify-writes of one word, so
/// that one of them sees the other, and no wake-up is lost. Who becomes the first by joining looks as well: those behind may
/// wait for more room than there is, and it for less.
#[derive(Debug)]
pub(super) struct Permits {
    word: AtomicU64,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// In the order in which permits are handed over. Who is no longer here was granted its permit, or displaced.
    waiting: BTreeMap<Place, Waiting>,
    /// Those whose place was given to a call that matters more, and who do not know yet.
    displaced: BTreeSet<Place>,
}

#[derive(Debug)]
struct Waiting {
    waker: Waker,
    units: u32,
}

/// A place in the queue: who matters more stands before who came earlier. Has to be [given up](Permits::withdraw) or
/// [polled](Permits::poll) to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    priority: Priority,
    arrival: u64,
}

/// What became of a call that found no room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// There was room after all.
    Admitted,
    /// It waits.
    Queued(Place),
    /// Too many wait already.
    Crowded,
}

/// A call was displaced: too many waited, and it was the last of those that mattered least.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Displaced;

// ===== impl Permits =====

impl Permits {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            word: AtomicU64::new(Word::new(limit).0),
            queue: Mutex::default(),
        }
    }

    #[inline(always)]
    pub(super) fn word(&self) -> Word {
        Word(self.word.load(Ordering::SeqCst))
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.queue).waiting.len()
    }

    /// Takes permits if there is room and nobody waits; says what the word became.
    #[inline(always)]
    pub(super) fn try_acquire(&self, units: u32) -> Option<Word> {
        self.change(|word| {
            if word.queued() {
                None
            } else {
                word.take(units)
            }
        })
        .map(|(_, after)| after)
    }

    /// Gives permits back, to those who wait if any do; says what the word was.
    #[inline(always)]
    pub(super) fn release(&self, units: u32) -> Word {
        let before = Word(self.word.fetch_sub(u64::from(units), Ordering::SeqCst));
        if before.queued() {
            self.hand_over();
        }
        before
    }

    /// Changes the limit; says what the word was. What is in use stays in use. Has to be followed by
    /// [`hand_over`](Self::hand_over), which runs wakers.
    pub(super) fn set_limit(&self, limit: u32) -> Word {
        self.change(|word| Some(word.with_limit(limit)))
            .map_or_else(|| self.word(), |(before, _)| before)
    }

    /// Queues for permits, unless there is room after all, or `most` wait already. In the latter case the last of those that
    /// matter least makes room for a call that matters more.
    pub(super) fn enter(
        &self,
        units: u32,
        priority: Priority,
        most: usize,
        waker: &Waker,
    ) -> Entered {
        let mut queue = lock(&self.queue);
        let empty = queue.waiting.is_empty();
        if empty {
            // Set before the look: a permit that comes back later goes through the queue.
            self.word.fetch_or(Word::QUEUED, Ordering::SeqCst);
        }
        // There may be room for it that is too little for the first in line.
        if queue.is_first(priority) && self.take(units) {
            if empty {
                self.word.fetch_and(!Word::QUEUED, Ordering::SeqCst);
            }
            return Entered::Admitted;
        }
        let mut left = None;
        if queue.waiting.len() >= most {
            left = queue.displace(priority);
            if left.is_none() {
                if empty {
                    self.word.fetch_and(!Word::QUEUED, Ordering::SeqCst);
                }
                return Entered::Crowded;
            }
        }
        let arrival = queue.next;
        queue.next += 1;
        let place = Place { priority, arrival };
        let waker = waker.clone();
        queue.waiting.insert(place, Waiting { waker, units });
        drop(queue);
        // A waker may run anything.
        if let Some(left) = left {
            left.wake();
        }
        Entered::Queued(place)
    }

    /// Whether the permits of this place were handed over, or its call was displaced; the place is used up then.
    pub(super) fn poll(&self, place: Place, waker: &Waker) -> Poll<Result<(), Displaced>> {
        let queue = &mut *lock(&self.queue);
        match queue.waiting.get_mut(&place) {
            Some(waiting) => {
                waiting.waker.clone_from(waker);
                Poll::Pending
            }
            None if queue.displaced.remove(&place) => Poll::Ready(Err(Displaced)),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Gives a place up; says whether the call was granted its permits already, which it has to give back.
    pub(super) fn withdraw(&self, place: Place) -> bool {
        let mut queue = lock(&self.queue);
        if queue.waiting.remove(&place).is_some() {
            // The next in line may be lighter, and the last one out clears the flag.
            self.grant(queue);
            return false;
        }
        !queue.displaced.remove(&place)
    }

    /// Hands the permits that are free to those who wait.
    #[cold]
    pub(super) fn hand_over(&self) {
        self.grant(lock(&self.queue));
    }

    /// Hands permits to the first in line, as long as there is room.
    fn grant(&self, mut queue: MutexGuard<'_, Queue>) {
        let mut wakers = Vec::new();
        loop {
            let Some(first) = queue.waiting.first_entry() else {
                self.word.fetch_and(!Word::QUEUED, Ordering::SeqCst);
                break;
            };
            if !self.take(first.get().units) {
                break;
            }
            wakers.push(first.remove().waker);
        }
        // A waker may run anything.
        drop(queue);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Takes permits, whoever waits. Only for those who hold the lock.
    fn take(&self, units: u32) -> bool {
        self.change(|word| word.take(units)).is_some()
    }

    /// Changes the word; says what it was and what it is.
    #[inline(always)]
    fn change(&self, change: impl Fn(Word) -> Option<Word>) -> Option<(Word, Word)> {
        let mut before = self.word.load(Ordering::Relaxed);
        loop {
            let after = change(Word(before))?;
            match self.word.compare_exchange_weak(
                before,
                after.0,
                Ordering::SeqCst,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some((Word(before), after)),
                Err(found) => before = found,
            }
        }
    }
}

// ===== impl Queue =====

impl Queue {
    /// Whether a call of this priority would be the first in line.
    fn is_first(&self, priority: Priority) -> bool {
        self.waiting
            .first_key_value()
            .is_none_or(|(first, _)| priority < first.priority)
    }

    /// Takes the place of the last of those that matter least, if they matter less than `priority`; says whom to wake.
    fn displace(&mut self, priority: Priority) -> Option<Waker> {
        let last = self.waiting.last_entry()?;
        if last.key().priority <= priority {
            return None;
        }
        let (place, waiting) = last.remove_entry();
        self.displaced.insert(place);
        Some(waiting.waker)
    }
}
