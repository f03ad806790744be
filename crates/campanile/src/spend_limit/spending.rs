use std::{
    array, fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    account::{Account, Admitted, Cell, Grown, LARGEST},
    accounts::{Absent, Holder, Place, Store},
    clock::{Clock, moment},
    config::{BUDGETS, Beyond, Enforce, SpendLimitConfig},
    crossing::{Crossing, Listener},
    terms::{Asked, Terms},
    unit::SpendUnit,
};
use crate::{
    cost::{Cost, Usage},
    rejection::{Lack, Rejection, RejectionKind, Shortage},
    sync::{AtomicU64, Mutex, Ordering, lock},
    time::Timestamp,
};

/// What all that share budgets share.
pub(super) struct Spending<B: Store> {
    pub(super) config: SpendLimitConfig,
    pub(super) terms: Box<[Terms]>,
    pub(super) clock: Clock,
    pub(super) accounts: B,
    /// Whether there is a budget that is not to be exceeded.
    pub(super) refuses: bool,
    refused: AtomicU64,
    refused_attempts: AtomicU64,
    pub(super) listener: Mutex<Option<Arc<Listener<B::Key>>>>,
}

/// What was reserved for a call: in which accounts, and in each budget how much and in which period.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reserved {
    place: Place,
    parts: [Part; BUDGETS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Part {
    period: Admitted,
    amount: u64,
    /// What is charged if nobody reports what the call took.
    likely: u64,
}

/// What is spent has grown, in a budget of this limit.
#[derive(Debug, Clone, Copy)]
struct Growth {
    grown: Grown,
    limit: u64,
}

pub(super) const LAYER: &str = "spend_limit";

/// When to come again where calls under way hold what is missing: nobody knows when they end.
const SHORTLY: Duration = Duration::from_secs(1);

// ===== impl Spending =====

impl<B: Store> Spending<B> {
    /// Nothing is taken. It is `wall` now. The settings have been checked.
    pub(super) fn new(config: SpendLimitConfig, wall: SystemTime) -> Self {
        let shares = config.beyond == Beyond::Share;
        Self {
            terms: config
                .budgets
                .iter()
                .map(|budget| Terms::new(budget, &config))
                .collect(),
            clock: Clock::new(wall, Timestamp::now()),
            accounts: B::make(config.budgets.len(), config.max_keys, shares),
            refuses: config
                .budgets
                .iter()
                .any(|budget| budget.enforce == Enforce::Refuse),
            refused: AtomicU64::new(0),
            refused_attempts: AtomicU64::new(0),
            listener: Mutex::new(None),
            config,
        }
    }

    /// Reserves what a call is estimated to take, in all budgets or in none.
    #[inline]
    pub(super) fn reserve(
        &self,
        key: &B::Key,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<Reserved, Rejection> {
        let wall = self.clock.wall(now);
        let take = |holder: Holder<'_, B::Cell>| self.take(&holder, asked, wall);
        match self.accounts.visit(key, None, Absent::Enter(wall), take) {
            Some(Some(reserved)) => Ok(reserved),
            _ => Err(self.refuse(key, asked, wall)),
        }
    }

    #[inline]
    fn take<C: Cell>(&self, holder: &Holder<'_, C>, asked: &Asked, wall: u64) -> Option<Reserved> {
        // A look at all first, so that a call which one budget refuses takes nothing from the others meanwhile, for which
        // another call might be refused.
        if self.terms.len() > 1 && !self.each(holder).all(|one| one.has_room(asked, wall)) {
            return None;
        }
        let mut reserved = Reserved {
            place: holder.place,
            parts: [Part::default(); BUDGETS],
        };
        for (index, one) in self.each(holder).enumerate() {
            let amount = one.terms.amount(asked, one.limit);
            let admits = |taken| one.terms.admits(taken, amount, one.limit);
            let schedule = &one.terms.schedule;
            let Some(period) = one.account.reserve(schedule, wall, amount, admits) else {
                for (one, part) in self.each(holder).zip(&reserved.parts[..index]) {
                    one.account.replace(part.period, part.amount, 0);
                }
                return None;
            };
            let likely = one.terms.likely(asked, one.limit).min(amount);
            reserved.parts[index] = Part {
                period,
                amount,
                likely,
            };
        }
        Some(reserved)
    }

    /// What is missing in each budget, so that a call which was `charged` so much can make another attempt while as many are
    /// `under_way` at most, each of which may take what was reserved for the `first`, and `more` since. `None` if nothing is.
    pub(super) fn lacking(
        &self,
        first: &Reserved,
        more: &[u64; BUDGETS],
        charged: &Cost,
        under_way: u64,
    ) -> Option<[u64; BUDGETS]> {
        let mut lacking = [0; BUDGETS];
        let budgets = self.terms.iter().zip(&first.parts).zip(more);
        for (((terms, part), more), lacking) in budgets.zip(&mut lacking) {
            if terms.refuses() {
                let needs = part.amount.saturating_mul(under_way);
                let needs = needs.saturating_add(terms.unit.of(charged));
                *lacking = needs.saturating_sub(part.amount + more).min(LARGEST);
            }
        }
        lacking.iter().any(|one| *one > 0).then_some(lacking)
    }

    /// Reserves so much more in each budget for another attempt of a call, in all or in none.
    pub(super) fn extend(
        &self,
        key: &B::Key,
        amounts: &[u64; BUDGETS],
        now: Timestamp,
    ) -> Option<Reserved> {
        let wall = self.clock.wall(now);
        let take = |holder: Holder<'_, B::Cell>| {
            let mut reserved = Reserved {
                place: holder.place,
                parts: [Part::default(); BUDGETS],
            };
            for (index, one) in self.each(&holder).enumerate() {
                let amount = amounts[index];
                if amount == 0 {
                    continue;
                }
                let admits = |taken| one.terms.admits(taken, amount, one.limit);
                let schedule = &one.terms.schedule;
                let Some(period) = one.account.reserve(schedule, wall, amount, admits) else {
                    for (one, part) in self.each(&holder).zip(&reserved.parts[..index]) {
                        one.account.replace(part.period, part.amount, 0);
                    }
                    return None;
                };
                reserved.parts[index] = Part {
                    period,
                    amount,
                    likely: 0,
                };
            }
            Some(reserved)
        };
        let absent = Absent::Enter(wall);
        let extended = self.accounts.visit(key, None, absent, take).flatten();
        if extended.is_none() {
            self.refused_attempts.fetch_add(1, Ordering::Relaxed);
        }
        extended
    }

    /// The accounts of a key, each with its terms.
    #[inline]
    fn each<'a, C>(&'a self, holder: &'a Holder<'_, C>) -> impl Iterator<Item = One<'a, C>> {
        let both = self.terms.iter().zip(holder.accounts);
        both.enumerate().map(|(index, (terms, account))| One {
            terms,
            account,
            limit: holder.limit(index, terms),
        })
    }

    /// A call for which there is no room. It may come again when the last of the periods ends that have none, or shortly where
    /// all that is missing is reserved for calls under way.
    #[cold]
    fn refuse(&self, key: &B::Key, asked: &Asked, wall: u64) -> Rejection {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let rejection = Rejection::new(RejectionKind::BudgetExhausted, LAYER);
        let worst = self.accounts.visit(key, None, Absent::Leave, |holder| {
            let lacking = self.each(&holder).filter(|one| !one.has_room(asked, wall));
            lacking
                .map(|one| (one.opens(asked, wall), one.shortage(asked, wall)))
                .max_by_key(|(opens, _)| opens.unwrap_or(Duration::MAX))
        });
        // Of a key that is not told apart there is nothing to tell, unless it asks for more than there is.
        let untouched = || {
            let mut terms = self.terms.iter();
            let large = terms.find(|terms| {
                !terms.admits(0, terms.amount(asked, terms.limit()), terms.limit())
            })?;
            let limit = large.limit();
            let needs = large.amount(asked, limit);
            Some((None, large.shortage(needs, limit, limit, Lack::TooLarge)))
        };
        let Some((opens, shortage)) = worst.flatten().or_else(untouched) else {
            return rejection;
        };
        let rejection = rejection.with_shortage(shortage);
        match opens {
            Some(after) => rejection.with_retry_after(after),
            None => rejection,
        }
    }

    /// How many calls were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many attempts were refused of calls that had been let in.
    pub(super) fn refused_attempts(&self) -> u64 {
        self.refused_attempts.load(Ordering::Relaxed)
    }

    /// Puts what a call `took` in the place of what was reserved for it, `first` and for `more` attempts: a function of the unit and
    /// of what the call was estimated to take. In order each takes as much as was reserved there, and the last what is left: at no
    /// moment more is taken than was reserved or spent, and no period is charged what another has room for.
    #[inline]
    pub(super) fn settle(
        &self,
        key: &B::Key,
        first: &Reserved,
        more: &[Reserved],
        took: impl Fn(SpendUnit, u64) -> u64,
    ) {
        let mut left = [0; BUDGETS];
        for ((terms, part), left) in self.terms.iter().zip(&first.parts).zip(&mut left) {
            *left = took(terms.unit, part.likely).min(LARGEST);
        }
        let mut reserved = first;
        for next in more {
            let amounts = array::from_fn(|budget| reserved.parts[budget].amount.min(left[budget]));
            self.put(key, reserved, &amounts);
            for (left, amount) in left.iter_mut().zip(amounts) {
                *left -= amount;
            }
            reserved = next;
        }
        self.put(key, reserved, &left);
    }

    /// Puts these amounts in the place of what was reserved.
    fn put(&self, key: &B::Key, reserved: &Reserved, amounts: &[u64; BUDGETS]) {
        let mut both = amounts.iter().zip(&reserved.parts);
        let exceeds = both.any(|(amount, part)| *amount > part.amount);
        // The present matters only to what is taken beyond what was reserved.
        let wall = if exceeds {
            self.clock.wall(Timestamp::now())
        } else {
            0
        };
        let absent = if exceeds {
            Absent::Enter(wall)
        } else {
            Absent::Leave
        };
        let mut growths = [None; BUDGETS];
        self.accounts
            .visit(key, Some(reserved.place), absent, |holder| {
                let same = holder.place == reserved.place;
                for (index, one) in self.each(&holder).enumerate() {
                    let part = &reserved.parts[index];
                    growths[index] = one.settle(part, amounts[index], same, wall);
                }
            });
        self.tell(key, &growths);
    }

    /// Takes and spends what somebody says was used, however much is left.
    pub(super) fn charge(&self, key: &B::Key, usage: &Usage, now: Timestamp) {
        let wall = self.clock.wall(now);
        let mut growths = [None; BUDGETS];
        self.accounts
            .visit(key, None, Absent::Enter(wall), |holder| {
                for (index, one) in self.each(&holder).enumerate() {
                    let used = one.terms.unit.used(usage).filter(|used| *used > 0);
                    growths[index] = used.and_then(|used| one.charge(used, wall));
                }
            });
        self.tell(key, &growths);
    }

    /// Tells of the parts of budgets that were crossed. Not under a lock.
    #[inline]
    fn tell(&self, key: &B::Key, growths: &[Option<Growth>; BUDGETS]) {
        for (terms, growth) in self.terms.iter().zip(growths) {
            let Some(Growth { grown, limit }) = *growth else {
                continue;
            };
            for part in &terms.warn_at {
                let at = terms.part(*part, limit);
                if grown.before < at && at <= grown.after {
                    self.cross(key, terms, *part, grown, limit);
                }
            }
        }
    }

    #[cold]
    fn cross(&self, key: &B::Key, terms: &Terms, at: f64, grown: Grown, limit: u64) {
        let crossing = Crossing {
            budget: terms.name,
            unit: terms.unit,
            key,
            at,
            spent: grown.after,
            limit,
            until: moment(grown.end),
        };
        // The key may be a secret.
        tracing::warn!(
            budget = crossing.budget,
            at,
            spent = crossing.spent,
            limit,
            "spend limit: a part of a budget is spent"
        );
        let listener = lock(&self.listener).clone();
        if let Some(listener) = listener {
            listener(&crossing);
        }
    }
}

impl<B: Store + fmt::Debug> fmt::Debug for Spending<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spending")
            .field("terms", &self.terms)
            .field("accounts", &self.accounts)
            .field("refused", &self.refused())
            .finish_non_exhaustive()
    }
}

// ===== impl Holder =====

impl<C> Holder<'_, C> {
    #[inline]
    pub(super) fn limit(&self, index: usize, terms: &Terms) -> u64 {
        let own = self.limits.and_then(|limits| limits[index]);
        own.unwrap_or_else(|| terms.limit())
    }
}

// ===== impl One =====

/// One account, with its terms.
struct One<'a, C> {
    terms: &'a Terms,
    account: &'a Account<C>,
    limit: u64,
}

impl<C: Cell> One<'_, C> {
    fn has_room(&self, asked: &Asked, wall: u64) -> bool {
        let amount = self.terms.amount(asked, self.limit);
        self.terms
            .admits(self.account.look(wall).taken, amount, self.limit)
    }

    /// Why there is no room.
    fn lack(&self, amount: u64, spent: u64) -> Lack {
        if !self.terms.admits(0, amount, self.limit) {
            Lack::TooLarge
        } else if self.terms.admits(spent, amount, self.limit) {
            Lack::Reserved
        } else {
            Lack::UsedUp
        }
    }

    fn shortage(&self, asked: &Asked, wall: u64) -> Shortage {
        let seen = self.account.look(wall);
        let amount = self.terms.amount(asked, self.limit);
        let left = self.limit.saturating_sub(seen.taken);
        let lack = self.lack(amount, seen.spent);
        self.terms.shortage(amount, left, self.limit, lack)
    }

    /// In how long there may be room; `None` for never.
    fn opens(&self, asked: &Asked, wall: u64) -> Option<Duration> {
        let amount = self.terms.amount(asked, self.limit);
        let seen = self.account.look(wall);
        if self.lack(amount, seen.spent) == Lack::Reserved {
            return Some(SHORTLY);
        }
        let end = seen.end?;
        let never = Admitted::is_forever(end) || !self.terms.admits(0, amount, self.limit);
        (!never).then(|| Duration::from_nanos(end - wall))
    }

    /// What was taken goes to the period in which it was reserved, up to as much as was reserved where that is over by now;
    /// the rest goes to the present one.
    fn settle(&self, part: &Part, took: u64, same: bool, wall: u64) -> Option<Growth> {
        let exceeds = took > part.amount;
        let over = exceeds && wall >= part.period.end();
        if same && !over && self.account.replace(part.period, part.amount, took) {
            let grown = self.account.spend(part.period, took)?;
            let limit = self.limit;
            return Some(Growth { grown, limit });
        }
        if exceeds {
            return self.charge(took - part.amount, wall);
        }
        None
    }

    fn charge(&self, amount: u64, wall: u64) -> Option<Growth> {
        let grown = self.account.charge(&self.terms.schedule, wall, amount)?;
        let limit = self.limit;
        Some(Growth { grown, limit })
    }
}
