use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Cell, GateHistory, history::Ledger};
use crate::{
    sync::{AtomicU32, AtomicU64, Ordering},
    time::Timestamp,
};

/// Why an endpoint may not be picked now. Each reason has one writer, and reasons are independent: the endpoint is open
/// when none is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[repr(u8)]
pub enum Reason {
    /// Its circuit breaker is open.
    Breaker = 0,
    /// Its health probe fails.
    Health = 1,
    /// Its quota is used up, until the upstream says otherwise.
    Quota = 2,
    /// Its concurrency limit is reached.
    Concurrency = 3,
    /// It is being removed: calls in flight finish, no new ones come.
    Draining = 4,
    /// An operator switched it off.
    Disabled = 5,
    /// It failed fast, several times in a row.
    FastFail = 6,
    /// Its service could not be made ready.
    Readiness = 7,
    /// A reason of the user's own.
    Custom = 8,
    /// A pool has been told that it left. The pool's own; an operator's drain is [`Draining`](Self::Draining).
    Removed = 9,
    /// It does worse than the rest of its pool.
    Outlier = 10,
}

/// The times until which each reason holds. Whether it holds at all is a bit in the endpoint's cell.
pub struct Gate {
    until: [AtomicU64; Reason::ALL.len()],
    /// What has been of each reason. Only changes of a time write it, and nothing that a call does reads it.
    ledgers: [Ledger; Reason::ALL.len()],
    /// The reasons that may be withdrawn before their time.
    loose: AtomicU32,
}

// ===== impl Reason =====

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::Breaker,
        Self::Health,
        Self::Quota,
        Self::Concurrency,
        Self::Draining,
        Self::Disabled,
        Self::FastFail,
        Self::Readiness,
        Self::Custom,
        Self::Removed,
        Self::Outlier,
    ];

    /// Its name: lower case, words joined by underscores, as in its serialised form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::Health => "health",
            Self::Quota => "quota",
            Self::Concurrency => "concurrency",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
            Self::FastFail => "fast_fail",
            Self::Readiness => "readiness",
            Self::Custom => "custom",
            Self::Removed => "removed",
            Self::Outlier => "outlier",
        }
    }

    /// The reasons for which somebody waits until the last call has left.
    pub(super) const LEAVING: u16 = Self::Draining.bit() | Self::Removed.bit();

    /// Whether an endpoint that was closed for it starts again, cold: not if it merely had enough to do.
    pub(super) const fn restarts(self) -> bool {
        !matches!(self, Self::Quota | Self::Concurrency)
    }

    /// The reasons after which an endpoint starts again.
    pub(super) const RESTARTS: u16 = {
        let mut bits = 0;
        let mut index = 0;
        while index < Self::ALL.len() {
            if Self::ALL[index].restarts() {
                bits |= Self::ALL[index].bit();
            }
            index += 1;
        }
        bits
    };

    pub(super) const fn bit(self) -> u16 {
        1 << self as u8
    }
}

// ===== impl Gate =====

impl Gate {
    /// Closes for `reason` from `now` on; says whether the reason was there already with a later time.
    pub(crate) fn close(
        &self,
        cell: Cell<'_>,
        reason: Reason,
        until: Timestamp,
        now: Timestamp,
    ) -> bool {
        self.close_as(cell, reason, until, now, false)
    }

    /// [`close`](Self::close), and whether the reason may be withdrawn before that time.
    pub(crate) fn close_as(
        &self,
        cell: Cell<'_>,
        reason: Reason,
        until: Timestamp,
        now: Timestamp,
        loose: bool,
    ) -> bool {
        let bit = u32::from(reason.bit());
        // A hint for those who wait, whose order to all else does not matter. Hardly ever written.
        if (self.loose.load(Ordering::Relaxed) & bit != 0) != loose {
            self.loose.fetch_xor(bit, Ordering::Relaxed);
        }
        // The time first: whoever sees the bit sees a time that is not older.
        let earlier = self.replace(reason, until, now);
        let before = cell.set_reasons(reason.bit());
        before & reason.bit() != 0 && until < earlier
    }

    /// Withdraws `reason`; says whether it was there. Those who wait must know of it even while other reasons are left:
    /// these may be over already, or end before the time that the waiting have armed their timers for.
    pub(crate) fn open(
        &self,
        cell: Cell<'_>,
        reason: Reason,
        now: impl FnOnce() -> Timestamp,
    ) -> bool {
        if self.read(reason) == Timestamp::ZERO && cell.reasons() & reason.bit() == 0 {
            return false;
        }
        let now = now();
        let until = self.replace(reason, Timestamp::ZERO, now);
        let before = cell.clear_reasons(reason.bit());
        // Where several threads write one reason, another may have closed between the two, and its time stands.
        self.restore(cell, reason, now);
        // The time counts too: an expiry that runs meanwhile may have taken the bit away for a moment.
        before & reason.bit() != 0 || until != Timestamp::ZERO
    }

    /// Forgets the reasons whose time is over; says whether the gate is open now.
    pub(crate) fn expire(&self, cell: Cell<'_>, now: Timestamp) -> bool {
        let mut over = 0;
        let reasons = cell.reasons();
        for reason in Reason::ALL {
            if reasons & reason.bit() != 0 && self.read(reason) <= now {
                over |= reason.bit();
            }
        }
        if over == 0 {
            return reasons == 0;
        }
        let mut left = cell.clear_reasons(over) & !over;
        // The writer may have closed again between the look at the time and the clearing of the bit.
        for reason in Reason::ALL {
            if over & reason.bit() != 0 && self.restore(cell, reason, now) {
                left |= reason.bit();
            }
        }
        left == 0
    }

    /// Sets the bit of a reason again if it still holds; says whether it does.
    fn restore(&self, cell: Cell<'_>, reason: Reason, now: Timestamp) -> bool {
        while self.read(reason) > now {
            cell.set_reasons(reason.bit());
            // Its writer may have withdrawn it meanwhile, and would not come back to clear the bit.
            if self.read(reason) > now {
                return true;
            }
            cell.clear_reasons(reason.bit());
        }
        false
    }

    /// When the last of the present reasons ends.
    pub(crate) fn reopens_at(&self, cell: Cell<'_>, now: Timestamp) -> Option<Timestamp> {
        let reasons = cell.reasons();
        Reason::ALL
            .into_iter()
            .filter(|reason| reasons & reason.bit() != 0)
            .map(|reason| self.read(reason))
            .filter(|until| *until > now)
            .max()
    }

    /// Whether the last of the present reasons may be withdrawn before its time.
    pub(crate) fn may_reopen_earlier(&self, cell: Cell<'_>, now: Timestamp) -> bool {
        let loose = self.loose.load(Ordering::Relaxed);
        if loose == 0 {
            return false;
        }
        let reasons = cell.reasons();
        let last = Reason::ALL
            .into_iter()
            .filter(|reason| reasons & reason.bit() != 0 && self.read(*reason) > now)
            .max_by_key(|reason| self.read(*reason));
        last.is_some_and(|reason| loose & u32::from(reason.bit()) != 0)
    }

    /// Until when `reason` holds, if its bit is set.
    pub(crate) fn until(&self, cell: Cell<'_>, reason: Reason) -> Option<Timestamp> {
        (cell.reasons() & reason.bit() != 0).then(|| self.read(reason))
    }

    /// For how long, and how often, it has been closed for `reason`.
    pub(crate) fn history(&self, cell: Cell<'_>, reason: Reason, now: Timestamp) -> GateHistory {
        let ledger = &self.ledgers[reason as usize];
        GateHistory {
            reason,
            closed: self.until(cell, reason).is_some_and(|until| until > now),
            closings: ledger.closings(),
            time: ledger.time(&self.until[reason as usize], now),
        }
    }

    /// Sets until when `reason` holds; returns until when it did.
    fn replace(&self, reason: Reason, until: Timestamp, now: Timestamp) -> Timestamp {
        let index = reason as usize;
        self.ledgers[index].replace(&self.until[index], until, now)
    }

    fn read(&self, reason: Reason) -> Timestamp {
        Timestamp::from_nanos(self.until[reason as usize].load(Ordering::SeqCst))
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            until: std::array::from_fn(|_| AtomicU64::new(0)),
            ledgers: std::array::from_fn(|_| Ledger::default()),
            loose: AtomicU32::new(0),
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(Reason::ALL.map(|reason| (reason, self.read(reason))))
            .finish()
    }
}
