//! Where what was taken is kept: in one account for each budget, or in such for each key.

use super::account::{Account, Cell};

mod keyed;
mod single;

pub use keyed::Keyed;
pub use single::Single;

/// Whose accounts a call was counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Its key's own.
    Own,
    /// Those of the keys beyond the most that are told apart.
    Shared,
}

/// The accounts of one key.
#[derive(Debug)]
pub struct Holder<'a, C> {
    pub(super) place: Place,
    /// One for each budget.
    pub(super) accounts: &'a [Account<C>],
    /// What the limits of this key are, where they are not the budgets'.
    pub(super) limits: Option<&'a [Option<u64>]>,
}

/// What becomes of a key that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// It is put there if there is room, at this time of the wall clock.
    Enter(u64),
    /// Nothing.
    Leave,
}

/// Accounts by key.
pub trait Store: Send + Sync + 'static {
    /// What they are told apart by.
    type Key: Clone + Send + Sync + 'static;

    /// What an account is made of.
    type Cell: Cell;

    /// Accounts of so many budgets, at most for so many keys. Whether the keys beyond share accounts, or have none.
    fn make(budgets: usize, keys: usize, shares: bool) -> Self;

    /// Looks at the accounts of a key, undisturbed by others that do where there are keys. `None` when it has none.
    fn visit<R>(
        &self,
        key: &Self::Key,
        place: Option<Place>,
        absent: Absent,
        look: impl FnOnce(Holder<'_, Self::Cell>) -> R,
    ) -> Option<R>;

    /// Sets the limit of one budget for one key, or the budget's own again; says whether there was room for the key.
    fn limit(&self, key: &Self::Key, now: u64, budget: usize, limit: Option<u64>) -> bool;

    /// Looks at all accounts of keys.
    fn each(&self, look: impl FnMut(&Self::Key, Holder<'_, Self::Cell>));

    /// Looks at the accounts of the keys beyond the most that are told apart, if those have any.
    fn beyond<R>(&self, look: impl FnOnce(Holder<'_, Self::Cell>) -> R) -> Option<R>;

    /// How many keys are told apart, if any are.
    fn keys(&self) -> Option<usize>;
}
