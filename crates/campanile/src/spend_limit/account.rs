//! What was taken from one budget: the state machine. Pure: times and limits go in, decisions come out.

use std::cell;

use super::period::Schedule;
use crate::sync::{AtomicU64, Ordering};

/// A number that is replaced if it is still what it was.
pub trait Cell: Default {
    fn get(&self) -> u64;

    /// Writes `new` if `old` is still there; says whether it was.
    fn replace(&self, old: u64, new: u64) -> bool;
}

/// What is taken from one budget of one key, in the present period.
///
/// # Correctness
///
/// Each number carries in eight bits which period it is of, by count. A period is opened in two steps, by whoever finds the
/// last one over: what is taken becomes nothing in a period of the next count, then the end is written. Between them the
/// two disagree, and whoever sees that does the second step. A call that was admitted by a number has taken from the
/// period of that number's count, whose end it remembers; it gives back only while that end still stands. An end is never
/// earlier than the one before it, whatever time the one has read that opens the period. So nothing is forgotten that was
/// taken in the present period.
#[derive(Debug, Default)]
pub(super) struct Account<C> {
    /// What is reserved and spent.
    taken: C,
    /// When the period ends, in nanoseconds of the wall clock.
    end: C,
    /// What is spent. Written when calls are over, and asked only for what is shown.
    spent: C,
}

/// The period that a call was admitted in: when it ends, and its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Admitted(u64);

/// What a change has made of what is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grown {
    pub(super) before: u64,
    pub(super) after: u64,
    pub(super) end: u64,
}

/// What is known of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) taken: u64,
    pub(super) spent: u64,
    /// When the period ends; `None` when there is none yet.
    pub(super) end: Option<u64>,
}

/// The most that an account can hold; limits and costs are at most half of it.
const MOST: u64 = (1 << 56) - 1;

/// The most that a limit or a cost may be.
pub(super) const LARGEST: u64 = 1 << 55;

/// Where the count of a period is in the time of its end, which is the finer part of it.
const COUNT: u64 = 0xff;

// ===== impl Cell =====

impl Cell for AtomicU64 {
    #[inline]
    fn get(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    #[inline]
    fn replace(&self, old: u64, new: u64) -> bool {
        self.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}

/// Behind a lock.
impl Cell for cell::Cell<u64> {
    #[inline]
    fn get(&self) -> u64 {
        Self::get(self)
    }

    #[inline]
    fn replace(&self, old: u64, new: u64) -> bool {
        let same = Self::get(self) == old;
        if same {
            self.set(new);
        }
        same
    }
}

// ===== words =====

/// An amount of the period of this count.
const fn word(count: u64, amount: u64) -> u64 {
    let amount = if amount > MOST { MOST } else { amount };
    count << 56 | amount
}

const fn amount(word: u64) -> u64 {
    word & MOST
}

/// The count of an amount's period.
const fn count(word: u64) -> u64 {
    word >> 56
}

const fn next(count: u64) -> u64 {
    (count + 1) & COUNT
}

/// Whether `count` comes after `other`.
const fn is_after(count: u64, other: u64) -> bool {
    let ahead = count.wrapping_sub(other) & COUNT;
    ahead != 0 && ahead < 128
}

/// An end with room for a count: not earlier.
const fn end_word(end: u64, count: u64) -> u64 {
    (end.saturating_add(COUNT) & !COUNT) | count
}

// ===== impl Admitted =====

impl Admitted {
    /// When the period ends; beyond all times for never.
    #[inline]
    pub(super) const fn end(self) -> u64 {
        self.0 & !COUNT
    }

    /// Whether it never ends.
    pub(super) const fn is_forever(end: u64) -> bool {
        end >= !COUNT
    }
}

// ===== impl Account =====

impl<C: Cell> Account<C> {
    /// The present period and what is taken in it, as one. Opens a period when the last one is over.
    #[inline]
    fn present(&self, schedule: &Schedule, now: u64) -> (Admitted, u64) {
        loop {
            let end = self.end.get();
            let taken = self.taken.get();
            if count(taken) == end & COUNT && now < end & !COUNT {
                return (Admitted(end), taken);
            }
            self.open(schedule, now, end, taken);
        }
    }

    /// One step of opening a period.
    #[cold]
    fn open(&self, schedule: &Schedule, now: u64, end: u64, taken: u64) {
        if count(taken) == end & COUNT {
            self.taken.replace(taken, word(next(count(taken)), 0));
            return;
        }
        self.forget(count(taken));
        // Somebody may have read an earlier time than whoever found the period over.
        let opens = now.max(end & !COUNT);
        self.end
            .replace(end, end_word(schedule.end(opens), count(taken)));
    }

    /// Nothing is spent in the period of this count, unless something is already.
    fn forget(&self, period: u64) {
        loop {
            let spent = self.spent.get();
            if !is_after(period, count(spent)) || self.spent.replace(spent, word(period, 0)) {
                return;
            }
        }
    }

    /// Takes `cost` if `admits` says so of what is taken already; all or nothing. Tells the period that it was taken in.
    #[inline]
    pub(super) fn reserve(
        &self,
        schedule: &Schedule,
        now: u64,
        cost: u64,
        admits: impl Fn(u64) -> bool,
    ) -> Option<Admitted> {
        loop {
            let (period, taken) = self.present(schedule, now);
            if !admits(amount(taken)) {
                return None;
            }
            if self
                .taken
                .replace(taken, word(count(taken), amount(taken) + cost))
            {
                return Some(period);
            }
        }
    }

    /// Puts `took` in the place of what was `reserved`; says whether the period that it was reserved in still stands.
    /// Otherwise nothing is changed: what was reserved has gone with its period.
    #[inline]
    pub(super) fn replace(&self, period: Admitted, reserved: u64, took: u64) -> bool {
        loop {
            if self.end.get() != period.0 {
                return false;
            }
            let taken = self.taken.get();
            if count(taken) != period.0 & COUNT {
                return false;
            }
            if reserved == took {
                return true;
            }
            let settled = amount(taken).saturating_sub(reserved).saturating_add(took);
            if self.taken.replace(taken, word(count(taken), settled)) {
                return true;
            }
        }
    }

    /// Counts as spent what is taken.
    pub(super) fn spend(&self, period: Admitted, took: u64) -> Option<Grown> {
        let this = period.0 & COUNT;
        loop {
            let spent = self.spent.get();
            let before = match count(spent) {
                count if count == this => amount(spent),
                count if is_after(this, count) => 0,
                _ => return None,
            };
            let after = before.saturating_add(took).min(MOST);
            if self.spent.replace(spent, word(this, after)) {
                let end = period.end();
                return Some(Grown { before, after, end });
            }
        }
    }

    /// Takes and spends, however much is left.
    pub(super) fn charge(&self, schedule: &Schedule, now: u64, took: u64) -> Option<Grown> {
        let took = took.min(LARGEST);
        let period = self.reserve(schedule, now, took, |_| true)?;
        self.spend(period, took)
    }

    /// Forgets what is spent. What calls under way have reserved stays taken.
    pub(super) fn reset(&self) {
        let spent = loop {
            let spent = self.spent.get();
            if self.spent.replace(spent, word(count(spent), 0)) {
                break spent;
            }
        };
        loop {
            let taken = self.taken.get();
            // What is spent was taken before, so it is still there, unless its period is over.
            let left = amount(taken).saturating_sub(amount(spent));
            if count(taken) != count(spent) || self.taken.replace(taken, word(count(taken), left)) {
                return;
            }
        }
    }

    /// Opens a period that ends at `end`, if there is none at `now`.
    pub(super) fn restore(&self, now: u64, end: u64) {
        let (old, taken) = (self.end.get(), self.taken.get());
        if count(taken) == old & COUNT && now >= old & !COUNT {
            let period = next(count(taken));
            if self.taken.replace(taken, word(period, 0)) {
                self.forget(period);
                self.end.replace(old, end_word(end, period));
            }
        }
    }

    /// What is known at `now`. Opens nothing.
    pub(super) fn look(&self, now: u64) -> Seen {
        let (end, taken, spent) = (self.end.get(), self.taken.get(), self.spent.get());
        let stands = count(taken) == end & COUNT && now < end & !COUNT;
        if !stands {
            return Seen {
                taken: 0,
                spent: 0,
                end: None,
            };
        }
        let spent = if count(spent) == count(taken) {
            amount(spent)
        } else {
            0
        };
        Seen {
            taken: amount(taken),
            spent,
            end: Some(end & !COUNT),
        }
    }

    /// Whether it is as good as new.
    pub(super) fn has_rested(&self, now: u64) -> bool {
        now >= self.end.get() & !COUNT
    }
}
