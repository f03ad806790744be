use std::{fmt, hash::Hash, sync::Arc, time::SystemTime};

use super::{
    accounts::{Absent, Keyed, Single, Store},
    config::{SpendLimitConfig, check_amount},
    crossing::Crossing,
    snapshot::{SpendOutline, SpendSnapshot},
    spending::{LAYER, Spending},
    state::SpendState,
};
use crate::{config::Invalid, cost::Usage, sync::lock, time::Timestamp};

/// What an operator sees and moves of budgets. Clones are the same.
pub struct SpendLimitHandle<B: Store = Single> {
    spending: Arc<Spending<B>>,
}

// ===== impl SpendLimitHandle =====

impl SpendLimitHandle {
    /// Budgets for all calls together, for as many services as are to [share](super::SpendLimitLayer::shared) them.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: SpendLimitConfig) -> Result<Self, Invalid> {
        Self::begin(config, SystemTime::now())
    }

    /// What is known of each budget.
    #[must_use]
    pub fn snapshot(&self) -> Vec<SpendSnapshot> {
        self.snapshot_of(&())
    }

    /// Forgets what was spent in the present periods. What is reserved for calls under way stays.
    pub fn reset(&self) {
        self.reset_key(&());
    }

    /// Charges what was used elsewhere, however much is left.
    pub fn charge(&self, usage: &Usage) {
        self.charge_key(&(), usage);
    }
}

impl<K> SpendLimitHandle<Keyed<K>>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    /// Budgets for each key, for as many services as are to [share](super::SpendLimitLayer::share) them.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn keyed(config: SpendLimitConfig) -> Result<Self, Invalid> {
        Self::begin(config, SystemTime::now())
    }

    /// What is known of all keys together.
    #[must_use]
    pub fn outline(&self) -> SpendOutline {
        SpendOutline {
            keys: self.spending.accounts.keys().unwrap_or(0),
            refused: self.refused(),
        }
    }

    /// What is known of each key that has spent something lately.
    #[must_use]
    pub fn snapshots(&self) -> Vec<(K, Vec<SpendSnapshot>)> {
        let wall = self.wall();
        let mut all = Vec::new();
        self.spending.accounts.each(|key, holder| {
            all.push((key.clone(), self.spending.snapshots(&holder, wall)));
        });
        all
    }

    /// Puts another limit, in tokens or nano-dollars, in the place of a budget's for one key, or the budget's own again. The
    /// key is not forgotten while it has one.
    ///
    /// # Errors
    ///
    /// When it is out of range, when no budget has this name, or when there is no room for another key.
    pub fn set_limit_of(&self, key: &K, budget: &str, limit: Option<u64>) -> Result<(), Invalid> {
        check_amount("budgets.limit", limit.unwrap_or(0))?;
        let index = self.find(budget)?;
        let wall = self.wall();
        let room = self.spending.accounts.limit(key, wall, index, limit);
        let most = self.spending.config.max_keys;
        let rule = "as many keys have something spent or a limit of their own";
        Invalid::unless(room, LAYER, "max_keys", &most, rule)
    }
}

impl<B: Store> SpendLimitHandle<B> {
    /// Budgets that begin when the wall clock shows `wall`, from which on they follow the clock of calls: a wall clock that
    /// is set later changes nothing. For tests, and for clocks of one's own.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn begin(config: SpendLimitConfig, wall: SystemTime) -> Result<Self, Invalid> {
        Ok(Self::of(Arc::new(Spending::new(config.build()?, wall))))
    }

    pub(super) const fn of(spending: Arc<Spending<B>>) -> Self {
        Self { spending }
    }

    pub(super) fn spending(&self) -> Arc<Spending<B>> {
        Arc::clone(&self.spending)
    }

    fn wall(&self) -> u64 {
        self.spending.clock.wall(Timestamp::now())
    }

    fn find(&self, budget: &str) -> Result<usize, Invalid> {
        let found = self
            .spending
            .terms
            .iter()
            .position(|terms| terms.name == budget);
        let rule = "no budget has this name";
        Invalid::unless(found.is_some(), LAYER, "budgets.name", &budget, rule)?;
        Ok(found.unwrap_or_default())
    }

    /// What is known of the budgets of a key.
    #[must_use]
    pub fn snapshot_of(&self, key: &B::Key) -> Vec<SpendSnapshot> {
        let wall = self.wall();
        let spending = &self.spending;
        let look = |holder: super::accounts::Holder<'_, B::Cell>| spending.snapshots(&holder, wall);
        let seen = spending.accounts.visit(key, None, Absent::Leave, look);
        seen.unwrap_or_else(|| spending.untouched())
    }

    /// How many calls were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.spending.refused()
    }

    /// How many further attempts were not made, of calls that had been let in, since there was no room for them.
    #[must_use]
    pub fn refused_attempts(&self) -> u64 {
        self.spending.refused_attempts()
    }

    /// Puts another limit, in tokens or nano-dollars, in the place of a budget's, from now on: for all keys that have none of
    /// their own. What calls have taken stays taken.
    ///
    /// # Errors
    ///
    /// When it is out of range, or no budget has this name.
    pub fn set_limit(&self, budget: &str, limit: u64) -> Result<(), Invalid> {
        check_amount("budgets.limit", limit)?;
        self.spending.terms[self.find(budget)?].set_limit(limit);
        Ok(())
    }

    /// Forgets what a key has spent in the present periods. What is reserved for calls under way stays.
    pub fn reset_key(&self, key: &B::Key) {
        self.spending
            .accounts
            .visit(key, None, Absent::Leave, |holder| {
                holder
                    .accounts
                    .iter()
                    .for_each(super::account::Account::reset);
            });
    }

    /// Charges a key what was used elsewhere, however much is left.
    pub fn charge_key(&self, key: &B::Key, usage: &Usage) {
        self.spending.charge(key, usage, Timestamp::now());
    }

    /// Calls `told` whenever a part of a budget is spent that the settings name, once in each period; it takes the place of
    /// the one before. It is called within the end of a call, so it had better be quick.
    pub fn on_crossing(&self, told: impl Fn(&Crossing<'_, B::Key>) + Send + Sync + 'static) {
        *lock(&self.spending.listener) = Some(Arc::new(told));
    }

    /// What was spent in the present periods, to be [imported](Self::import) by the process that comes after this one. What
    /// is reserved for calls under way counts as spent. Taken while calls run, each account is seen at a moment of its own.
    #[must_use]
    pub fn export(&self) -> SpendState<B::Key> {
        self.spending.export(self.wall())
    }

    /// Adds what was spent before, once and before the first call; says how many budgets it was added to. Left out are
    /// periods that have passed meanwhile, and budgets whose name, unit, period or window is another now.
    pub fn import(&self, state: &SpendState<B::Key>) -> usize {
        self.spending.import(state, self.wall())
    }
}

impl<B: Store> Clone for SpendLimitHandle<B> {
    fn clone(&self) -> Self {
        Self {
            spending: Arc::clone(&self.spending),
        }
    }
}

impl<B: Store + fmt::Debug> fmt::Debug for SpendLimitHandle<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpendLimitHandle")
            .field(&self.spending)
            .finish()
    }
}
