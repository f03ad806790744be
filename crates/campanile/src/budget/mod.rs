//! How much may be sent a second time: the ratio budget of a pool, and leave for one more attempt of a call.
//!
//! A [`Budget`] belongs to one upstream or pool and is shared by everyone who sends extra calls to it: retries draw on
//! it, and hedges on one of their own. Each success deposits a fraction, each extra attempt withdraws one, and a small
//! cap bounds what a good hour saves up for a bad minute. So extra calls are at most that fraction of the successes,
//! plus the cap, however many clients there are and however long the outage lasts. There is no allowance by the second:
//! that is what makes other budgets grow with the number of clients.
//!
//! A call has attempts of its own too, shared by retry, hedge and fallback: those of its
//! [`Trail`]. An [`Extra`] is leave for one more attempt from both.
//!
//! The rule is Marc Brooker's (*Fixing retries with token buckets and circuit breakers*, 2022).
//!
//! ```
//! use campanile::budget::{Budget, BudgetConfig};
//!
//! let budget = Budget::new(BudgetConfig::default());
//! assert!(budget.withdraw(1), "it starts with one");
//! assert!(!budget.withdraw(1));
//! for _success in 0..5 {
//!     budget.deposit(1);
//! }
//! assert!(budget.withdraw(1));
//! ```

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    config::Invalid,
    context::Trail,
    sync::{AtomicU64, Ordering},
};

mod collect;
#[cfg(all(test, campanile_loom))]
mod loom;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// Thousandths of one attempt: what the balance is kept in, so that arithmetic is exact.
const ONE: u64 = 1_000;

/// Settings of a [`Budget`]. All numbers count attempts, and are kept in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetConfig {
    /// What a success earns: the most that extra attempts may be of successes, in the long run. 0.2 by default; from 0
    /// to 1.
    pub deposit: f64,
    /// The most that is saved up. 3 by default; 10 is right for an upstream of more than 100 calls a second.
    pub cap: f64,
    /// What there is at first. 1 by default; at most the cap.
    pub initial: f64,
}

/// A budget of extra attempts. A handle: clones are the same budget.
#[derive(Clone)]
pub struct Budget {
    inner: Arc<Inner>,
}

/// On a cache line of its own: the balance is read by every call, and written by few.
#[repr(align(128))]
struct Inner {
    balance: AtomicU64,
    deposit: u64,
    cap: u64,
    withdrawn: AtomicU64,
    given_back: AtomicU64,
    refused: AtomicU64,
}

/// What a [`Budget`] holds and has done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BudgetSnapshot {
    /// What may be withdrawn now.
    pub balance: f64,
    /// The most that is saved up.
    pub cap: f64,
    /// Units withdrawn and not given back, up to now.
    pub withdrawn: u64,
    /// Withdrawals refused, up to now.
    pub refused: u64,
}

/// Leave to make one more attempt of a call, taken from the call's own attempts and from a [`Budget`]. Dropped before
/// the attempt [begins](Self::begin), both get it back.
#[derive(Debug)]
#[must_use = "leave that is dropped is given back"]
pub struct Extra {
    trail: Option<Trail>,
    budget: Option<(Budget, u64)>,
}

// ===== impl BudgetConfig =====

impl Default for BudgetConfig {
    fn default() -> Self {
        Self {
            deposit: 0.2,
            cap: 3.0,
            initial: 1.0,
        }
    }
}

impl BudgetConfig {
    /// Sets what a success earns.
    #[must_use]
    pub const fn with_deposit(mut self, deposit: f64) -> Self {
        self.deposit = deposit;
        self
    }

    /// Sets the most that is saved up.
    #[must_use]
    pub const fn with_cap(mut self, cap: f64) -> Self {
        self.cap = cap;
        self
    }

    /// Sets what there is at first.
    #[must_use]
    pub const fn with_initial(mut self, initial: f64) -> Self {
        self.initial = initial;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let Self {
            deposit,
            cap,
            initial,
        } = self;
        let fraction = deposit == 0.0 || (0.001..=1.0).contains(&deposit);
        let rule = "it must be 0, or from 0.001 to 1";
        Invalid::unless(fraction, "budget", "deposit", &deposit, rule)?;
        let rule = "it must be from 1 to 1e12";
        Invalid::unless((1.0..=1e12).contains(&cap), "budget", "cap", &cap, rule)?;
        let rule = "it must be from 0 to cap";
        let within = (0.0..=cap).contains(&initial);
        Invalid::unless(within, "budget", "initial", &initial, rule)?;
        Ok(self)
    }
}

/// Thousandths. What is out of range is brought into it: a conversion from a float saturates.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // as the line above says
fn thousandths(amount: f64) -> u64 {
    (amount * ONE as f64).round() as u64
}

// ===== impl Budget =====

impl Budget {
    /// A budget. Settings that were not [checked](BudgetConfig::build) are brought into range.
    #[must_use]
    pub fn new(config: BudgetConfig) -> Self {
        let cap = thousandths(config.cap).clamp(ONE, 1_000_000_000_000 * ONE);
        Self {
            inner: Arc::new(Inner {
                balance: AtomicU64::new(thousandths(config.initial).min(cap)),
                deposit: thousandths(config.deposit).min(ONE),
                cap,
                withdrawn: AtomicU64::new(0),
                given_back: AtomicU64::new(0),
                refused: AtomicU64::new(0),
            }),
        }
    }

    /// Deposits what `units` successes earn. Writes nothing while the budget is full.
    #[inline]
    pub fn deposit(&self, units: u64) {
        if self.inner.balance.load(Ordering::Relaxed) < self.inner.cap {
            self.add(units.saturating_mul(self.inner.deposit));
        }
    }

    /// Takes `units`, all or none; says whether they were there. Tasks that withdraw at the same time never get more
    /// than there is.
    #[must_use]
    pub fn withdraw(&self, units: u64) -> bool {
        let amount = units.saturating_mul(ONE);
        let taken = self
            .inner
            .balance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| {
                balance.checked_sub(amount)
            })
            .is_ok();
        if taken {
            self.inner.withdrawn.fetch_add(units, Ordering::Relaxed);
        } else {
            self.inner.refused.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Gives `units` back that were withdrawn and not used.
    pub fn give_back(&self, units: u64) {
        self.inner.given_back.fetch_add(units, Ordering::Relaxed);
        self.add(units.saturating_mul(ONE));
    }

    /// What it holds and has done.
    #[must_use]
    pub fn snapshot(&self) -> BudgetSnapshot {
        let attempts = |thousandths: u64| thousandths as f64 / ONE as f64;
        let given_back = self.inner.given_back.load(Ordering::Relaxed);
        let withdrawn = self.inner.withdrawn.load(Ordering::Relaxed);
        BudgetSnapshot {
            balance: attempts(self.inner.balance.load(Ordering::Relaxed)),
            cap: attempts(self.inner.cap),
            withdrawn: withdrawn.saturating_sub(given_back),
            refused: self.inner.refused.load(Ordering::Relaxed),
        }
    }

    #[cold]
    fn add(&self, amount: u64) {
        let cap = self.inner.cap;
        // Refused only when it is full: then there is nothing to write.
        let _ = self
            .inner
            .balance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| {
                (balance < cap).then(|| balance.saturating_add(amount).min(cap))
            });
    }
}

impl Default for Budget {
    /// A budget of the default settings.
    fn default() -> Self {
        Self::new(BudgetConfig::default())
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.snapshot();
        f.debug_struct("Budget")
            .field("balance", &snapshot.balance)
            .field("cap", &snapshot.cap)
            .finish_non_exhaustive()
    }
}

// ===== impl Extra =====

impl Extra {
    /// Asks for one more attempt: of the call, if its `trail` counts them, and of the budget, which it takes so many
    /// units from. `None` when either has none left; then nothing is taken from the other.
    #[must_use]
    pub fn ask(trail: Option<&Trail>, budget: Option<(&Budget, u64)>) -> Option<Self> {
        Self::of(trail, budget, Trail::spend)
    }

    /// As [`ask`](Self::ask), for an attempt beside those under way, and not after them.
    #[must_use]
    pub fn beside(trail: Option<&Trail>, budget: Option<(&Budget, u64)>) -> Option<Self> {
        Self::of(trail, budget, Trail::spend_beside)
    }

    fn of(
        trail: Option<&Trail>,
        budget: Option<(&Budget, u64)>,
        spend: impl FnOnce(&Trail) -> bool,
    ) -> Option<Self> {
        if !trail.is_none_or(spend) {
            return None;
        }
        let mut extra = Self {
            trail: trail.cloned(),
            budget: None,
        };
        if let Some((budget, units)) = budget {
            // Refused, dropping it gives the attempt back to the call.
            if !budget.withdraw(units) {
                return None;
            }
            extra.budget = Some((budget.clone(), units));
        }
        Some(extra)
    }

    /// The attempt begins: what was taken is spent.
    pub fn begin(mut self) {
        self.trail = None;
        self.budget = None;
    }
}

impl Drop for Extra {
    fn drop(&mut self) {
        if let Some(trail) = self.trail.take() {
            trail.give_back();
        }
        if let Some((budget, units)) = self.budget.take() {
            budget.give_back(units);
        }
    }
}
