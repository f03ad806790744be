//! What a lane passes on: one number, which is never zero.

use crate::{
    metrics::histogram::bucket::bucket,
    outcome::{FailureKind, Outcome},
    time::{Timestamp, nanos},
};

/// An event. From below: 4 bits of its [`Kind`], three [`Mark`]s of 11 bits each, one that says whether the third of them
/// [is a wait](Record::waited), and 26 bits of its [`Tick`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record(u64);

/// What a record is of: how a call ended, [`GAPS`] or [`WAIT`]. Never zero.
pub(super) type Kind = u8;

/// Up to three times between pieces of data.
pub(super) const GAPS: Kind = 13;
/// A wait in queues.
pub(super) const WAIT: Kind = 14;
/// How many kinds there are.
pub(super) const KINDS: usize = 15;

const SUCCESS: Kind = 1;
const FAILURE: Kind = 2;
const THROTTLED: Kind = 8;
const OVERLOADED: Kind = 9;
const IGNORED: Kind = 10;
const CANCELLED: Kind = 11;

/// A bucket of a duration, or none: the bucket's number and one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark(pub(super) u16);

/// A time, in steps of 2^23 ns (8.4 ms).
pub(super) type Tick = u64;

const STEP: u32 = 23;
const MARK: u32 = 11;
const WAITED: u64 = 1 << (4 + 3 * MARK);
/// Where the time begins. What is below is what [`Record::body`] keeps, in five bytes.
const TIME: u32 = 4 + 3 * MARK + 1;
const MARKS: u64 = (1 << MARK) - 1;

/// How many steps there are in a while.
pub(super) const fn ticks(nanos: u64) -> Tick {
    nanos >> STEP
}

/// The step of a moment.
#[inline]
pub(super) const fn tick(now: Timestamp) -> Tick {
    ticks(now.as_nanos())
}

/// When a step began.
pub(super) const fn moment(tick: Tick) -> Timestamp {
    Timestamp::from_nanos(tick << STEP)
}

/// How a call ended.
#[inline]
pub(super) const fn ended(outcome: Outcome) -> Kind {
    match outcome {
        Outcome::Success => SUCCESS,
        // In the order of `FailureKind::ALL`.
        Outcome::Failure(kind) => FAILURE + kind as Kind,
        Outcome::Throttled { .. } => THROTTLED,
        Outcome::Overloaded { .. } => OVERLOADED,
        Outcome::Ignored => IGNORED,
        Outcome::Cancelled => CANCELLED,
    }
}

/// Whether a call failed that took the time it took: its time is kept apart.
#[inline]
pub(super) const fn is_failed(kind: Kind) -> bool {
    FAILURE <= kind && kind <= OVERLOADED
}

#[inline]
pub(super) const fn is_success(kind: Kind) -> bool {
    kind == SUCCESS
}

/// Counts of calls by how they ended, in the form that is told.
pub(super) fn outcomes(counts: &[u64; KINDS]) -> crate::metrics::OutcomeCounts {
    let mut failure = [0; FailureKind::ALL.len()];
    failure.copy_from_slice(&counts[FAILURE as usize..THROTTLED as usize]);
    crate::metrics::OutcomeCounts {
        success: counts[SUCCESS as usize],
        failure,
        throttled: counts[THROTTLED as usize],
        overloaded: counts[OVERLOADED as usize],
        ignored: counts[IGNORED as usize],
        cancelled: counts[CANCELLED as usize],
    }
}

// ===== impl Mark =====

impl Mark {
    /// None.
    pub(super) const NONE: Self = Self(0);

    #[inline]
    pub(super) const fn between(from: Timestamp, to: Timestamp) -> Self {
        Self(bucket(nanos(to.since(from))) + 1)
    }

    #[inline]
    pub(super) const fn is_some(self) -> bool {
        self.0 != 0
    }
}

// ===== impl Record =====

impl Record {
    #[inline]
    pub(super) const fn new(kind: Kind, marks: [Mark; 3], now: Timestamp) -> Self {
        let [first, second, third] = marks;
        Self(
            kind as u64
                | (first.0 as u64) << 4
                | (second.0 as u64) << (4 + MARK)
                | (third.0 as u64) << (4 + 2 * MARK)
                | tick(now) << TIME,
        )
    }

    /// The end of a call without data, whose third mark is how long it waited in queues: one record in place of two.
    #[inline]
    pub(super) const fn with_wait(self) -> Self {
        Self(self.0 | WAITED)
    }

    /// Whether the third mark is a wait.
    #[inline]
    pub(super) const fn waited(self) -> bool {
        self.0 & WAITED != 0
    }

    /// `None` of zero.
    #[inline]
    pub(super) const fn from_word(word: u64) -> Option<Self> {
        if word == 0 { None } else { Some(Self(word)) }
    }

    #[inline]
    pub(super) const fn word(self) -> u64 {
        self.0
    }

    #[inline]
    pub(super) const fn kind(self) -> Kind {
        (self.0 & 0xf) as Kind
    }

    #[inline]
    pub(super) const fn marks(self) -> [Mark; 3] {
        [
            Mark((self.0 >> 4 & MARKS) as u16),
            Mark((self.0 >> (4 + MARK) & MARKS) as u16),
            Mark((self.0 >> (4 + 2 * MARK) & MARKS) as u16),
        ]
    }

    /// When it was; `now` is the present, to within 3.2 days. A record that nobody fetched for longer seems younger.
    #[inline]
    #[allow(clippy::cast_possible_wrap)]
    pub(super) const fn tick(self, now: Tick) -> Tick {
        // Another thread's clock may be ahead, so the difference has a sign.
        let age = (((now << TIME).wrapping_sub(self.0 >> TIME << TIME)) as i64) >> TIME;
        now.saturating_add_signed(-age)
    }

    /// All but the time.
    pub(super) const fn body(self) -> [u8; 5] {
        let [a, b, c, d, e, ..] = (self.0 & ((1 << TIME) - 1)).to_le_bytes();
        [a, b, c, d, e]
    }

    /// A record without a time.
    pub(super) const fn from_body([a, b, c, d, e]: [u8; 5]) -> Self {
        Self(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]))
    }
}
