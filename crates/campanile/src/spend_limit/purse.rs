use std::{fmt, sync::Arc};

use super::{
    accounts::Store,
    config::BUDGETS,
    spending::{Reserved, Spending},
};
use crate::{
    context::Payer,
    cost::Cost,
    lane::Share,
    sync::{AtomicU32, Mutex, Ordering, lock},
    time::Timestamp,
};

/// What is reserved for a call of which the most is known that one attempt can take: that for the first, and what is missing for
/// each one that follows, when it is about to begin.
///
/// Between them the attempts have taken what was charged to the call; those under way, and the one to come, may each take the
/// most. That much must be reserved, or there is no further attempt. So a call that is charged what it took stays within what is
/// reserved for it, however many attempts it made.
///
/// # Correctness
///
/// Attempts may outlive the call: what is made once for several callers goes on for the others when the one has left who pays.
/// When the call ends, its purse is closed, and takes no more from its budgets. Who extends it and who closes it both change one
/// word, so that one of them sees the other: either more is reserved before it is closed, and who closes it waits for the
/// lock under which that is kept, and settles it; or it is closed before, and who has reserved more gives that back.
pub(super) struct Purse<B: Store> {
    pub(super) held: Held<B>,
    /// [`EXTENDED`] and [`CLOSED`]. Few calls are sent twice, and only those take the lock.
    state: AtomicU32,
    more: Mutex<More>,
}

/// What is reserved for a call, or its first attempt, and of whom.
pub(super) struct Held<B: Store> {
    pub(super) spending: Share<Spending<B>>,
    pub(super) key: B::Key,
    pub(super) reserved: Reserved,
}

/// More was reserved.
const EXTENDED: u32 = 1;

/// The call is over.
const CLOSED: u32 = 2;

/// What is reserved besides.
#[derive(Debug)]
struct More {
    /// How many attempts may be under way at once.
    beside: u64,
    /// What those took that were over when the latest began, while there is one at a time.
    over: Cost,
    /// In each budget.
    amounts: [u64; BUDGETS],
    parts: Vec<Reserved>,
}

/// A purse kept from one call to the next, as their trail is. A clone keeps none.
pub(super) struct SparePurse<B: Store>(Option<Arc<Purse<B>>>);

// ===== impl Purse =====

impl<B: Store> Purse<B> {
    #[inline]
    pub(super) fn new(held: Held<B>) -> Self {
        Self {
            held,
            state: AtomicU32::new(0),
            more: Mutex::new(More {
                beside: 1,
                over: Cost::ZERO,
                amounts: [0; BUDGETS],
                parts: Vec::new(),
            }),
        }
    }

    /// What was reserved for further attempts, in order: to be settled with what was for the first. From now on nothing more is.
    #[inline]
    pub(super) fn close(&self) -> Vec<Reserved> {
        if self.state.fetch_or(CLOSED, Ordering::AcqRel) & EXTENDED == 0 {
            return Vec::new();
        }
        std::mem::take(&mut lock(&self.more).parts)
    }
}

impl<B: Store> Payer for Purse<B> {
    #[cold]
    fn affords(&self, charged: Cost, beside: bool) -> bool {
        let more = &mut *lock(&self.more);
        // The attempt is made for others, whose own calls have reserved what they take.
        if self.state.load(Ordering::Acquire) & CLOSED != 0 {
            return true;
        }
        let under_way = more.beside.saturating_add(u64::from(beside));
        // What one that is under way has taken so far is of the most that it may take. With several nobody knows whose it is, and it
        // counts beside.
        let charged = match (more.beside, beside) {
            (1, true) => more.over,
            (1, false) => {
                more.over = charged;
                charged
            }
            _ => charged,
        };
        let Held {
            spending,
            key,
            reserved,
        } = &self.held;
        let Some(lacking) = spending.lacking(reserved, &more.amounts, &charged, under_way) else {
            more.beside = under_way;
            return true;
        };
        let Some(part) = spending.extend(key, &lacking, Timestamp::now()) else {
            tracing::debug!("spend limit: there is no room for another attempt");
            return false;
        };
        if self.state.fetch_or(EXTENDED, Ordering::AcqRel) & CLOSED != 0 {
            spending.settle(key, &part, &[], |_, _| 0);
            return true;
        }
        more.beside = under_way;
        for (amount, lacking) in more.amounts.iter_mut().zip(lacking) {
            *amount += lacking;
        }
        more.parts.push(part);
        true
    }
}

impl<B: Store> fmt::Debug for Purse<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Purse")
            .field("first", &self.held.reserved)
            .field("more", &*lock(&self.more))
            .finish_non_exhaustive()
    }
}

// ===== impl SparePurse =====

impl<B: Store> SparePurse<B> {
    /// The spare one with this in it, or else a new one.
    #[inline]
    pub(super) fn lend(&mut self, purse: Purse<B>) -> Arc<Purse<B>> {
        // If nobody else holds it, nobody can come to hold it meanwhile.
        if let Some(spare) = &mut self.0
            && let Some(place) = Arc::get_mut(spare)
        {
            *place = purse;
            return Arc::clone(spare);
        }
        Arc::clone(self.0.insert(Arc::new(purse)))
    }
}

impl<B: Store> Default for SparePurse<B> {
    fn default() -> Self {
        Self(None)
    }
}

impl<B: Store> Clone for SparePurse<B> {
    fn clone(&self) -> Self {
        Self(None)
    }
}
