use std::{fmt, time::SystemTime};

use super::unit::SpendUnit;

/// A part of a budget is spent. Told once in each period.
#[non_exhaustive]
pub struct Crossing<'a, K> {
    /// What the budget is called.
    pub budget: &'static str,
    /// What is counted.
    pub unit: SpendUnit,
    /// Whose budget it is.
    pub key: &'a K,
    /// Which part, from above 0 to 1: one of those in the settings.
    pub at: f64,
    /// How much is spent: tokens, or nano-dollars.
    pub spent: u64,
    /// Of how much.
    pub limit: u64,
    /// When the period ends; `None` for never.
    pub until: Option<SystemTime>,
}

/// What is told.
pub(super) type Listener<K> = dyn Fn(&Crossing<'_, K>) + Send + Sync;

// By hand: the key may be a secret.
impl<K> fmt::Debug for Crossing<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crossing")
            .field("budget", &self.budget)
            .field("at", &self.at)
            .field("spent", &self.spent)
            .field("limit", &self.limit)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
