//! The arithmetic of a limit: no clock, no lock, no waiting.

use crate::time::Timestamp;

/// The most that a limit can be. The calls in flight and the time that they were in
/// flight for share a word, in which there is room for so many.
pub const MAX_LIMIT: u32 = 1_000_000;

/// Permits in use (32 bits from the low end), the limit (31 bits), and whether calls wait. All in one word, so that each
/// decision to admit is one compare-and-swap and no change of the limit can pass it unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

/// Calls in flight (20 bits from the low end) and the sum of the times at which calls ended less that of those at which
/// they began, in units of 1,024 ns (44 bits, wrapping). One word, so that a reader sees both of the same moment: with `n`
/// calls in flight at time `t`, the integral of calls in flight over time is `sum + n * t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Busy(pub(super) u64);

/// Unwraps the readings of a [`Busy`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Integral {
    last: u64,
    total: u64,
}

/// What bounds a limit, and what it is within these bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    /// At least 1.
    pub(super) floor: u32,
    /// Not below the floor.
    pub(super) cap: u32,
    /// Between floor and cap; below what the hardware can do, say.
    pub(super) ceiling: u32,
    /// A static limit, or what an operator holds an adaptive one at.
    pub(super) held: Option<u32>,
    /// What the algorithm says.
    pub(super) wanted: f64,
}

// ===== impl Word =====

impl Word {
    pub(super) const QUEUED: u64 = 1 << 63;
    const LIMIT_SHIFT: u32 = 32;
    const LIMIT: u64 = ((1 << 31) - 1) << Self::LIMIT_SHIFT;

    pub(super) const fn new(limit: u32) -> Self {
        Self(0).with_limit(limit)
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // the low half
    pub(super) const fn in_use(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    pub(super) const fn limit(self) -> u32 {
        ((self.0 & Self::LIMIT) >> Self::LIMIT_SHIFT) as u32
    }

    /// Whether calls wait, so that a newcomer has to stand behind them.
    #[inline(always)]
    pub(super) const fn queued(self) -> bool {
        self.0 & Self::QUEUED != 0
    }

    /// With `units` more in use, if there is room for them. What is heavier than the whole limit goes when nothing else is
    /// in use: it would wait for ever otherwise.
    #[inline(always)]
    pub(super) const fn take(self, units: u32) -> Option<Self> {
        let in_use = self.in_use() as u64;
        if in_use + units as u64 <= self.limit() as u64 || in_use == 0 {
            Some(Self(self.0 + units as u64))
        } else {
            None
        }
    }

    /// Whether a call of one unit would have to wait.
    #[inline(always)]
    pub(super) const fn is_full(self) -> bool {
        self.queued() || self.in_use() >= self.limit()
    }

    pub(super) const fn with_limit(self, limit: u32) -> Self {
        Self(self.0 & !Self::LIMIT | (limit as u64) << Self::LIMIT_SHIFT)
    }
}

// ===== impl Busy =====

impl Busy {
    const CALL_BITS: u32 = 20;
    const CALLS: u64 = (1 << Self::CALL_BITS) - 1;
    /// The bits of the sum, once it is shifted down.
    const SUM: u64 = u64::MAX >> Self::CALL_BITS;

    const fn coarse(now: Timestamp) -> u64 {
        now.as_nanos() >> 10
    }

    /// What to add, wrapping, when `units` begin.
    #[inline(always)]
    pub(super) const fn begin(now: Timestamp, units: u32) -> u64 {
        Self::end(now, units).wrapping_neg()
    }

    /// What to add, wrapping, when `units` end.
    #[inline(always)]
    pub(super) const fn end(now: Timestamp, units: u32) -> u64 {
        (Self::coarse(now).wrapping_mul(units as u64) << Self::CALL_BITS).wrapping_sub(units as u64)
    }

    /// The integral up to `now`, in units of 1,024 call-nanoseconds, modulo 2^44.
    const fn integral(self, now: Timestamp) -> u64 {
        let open = (self.0 & Self::CALLS).wrapping_mul(Self::coarse(now));
        (self.0 >> Self::CALL_BITS).wrapping_add(open) & Self::SUM
    }
}

// ===== impl Integral =====

impl Integral {
    /// The integral up to `now` in call-nanoseconds. It never falls: a reading whose `now` is a little older than the last
    /// one's, which other threads can cause, says the same again.
    pub(super) const fn read(&mut self, busy: Busy, now: Timestamp) -> u64 {
        let reading = busy.integral(now);
        let grown = reading.wrapping_sub(self.last) & Busy::SUM;
        // The upper half are the negative numbers.
        if grown <= Busy::SUM / 2 {
            self.total = self.total.wrapping_add(grown);
            self.last = reading;
        }
        self.total.wrapping_shl(10)
    }
}

// ===== impl Bounds =====

impl Bounds {
    /// The limit in force: between floor and the lower of cap and ceiling.
    pub(super) fn limit(&self) -> u32 {
        self.clamp(match self.held {
            Some(held) => held,
            // The cast saturates, and makes zero of what is no number.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            None => self.wanted.round() as u32,
        })
    }

    fn clamp(&self, limit: u32) -> u32 {
        limit.clamp(self.floor, self.cap.min(self.ceiling).max(self.floor))
    }
}
