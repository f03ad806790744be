use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;

use super::{Delay, HedgeConfig, state::Learned};
use crate::{
    budget::{Budget, BudgetSnapshot},
    config::Invalid,
    sync::{AtomicU64, Ordering},
    time::Timestamp,
};

/// What hedges have learned and done, and what they may do: to look at. Clones are the same; it keeps no service alive.
///
/// It is had from a [service](super::Hedge::handle), or made first and given to
/// [layers](super::HedgeLayer::shared), whose services then share it.
///
/// ```
/// use campanile::hedge::{Delay, HedgeConfig, HedgeHandle, HedgeLayer};
/// use std::time::Duration;
///
/// let config = HedgeConfig::default().with_delay(Delay::fixed(Duration::from_millis(50)));
/// let hedges = HedgeHandle::new(config).unwrap();
/// let layer = HedgeLayer::shared(&hedges);
/// assert_eq!(hedges.snapshot().hedged, 0);
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct HedgeHandle {
    pub(super) core: Arc<Core>,
}

/// What a [`Hedge`](super::Hedge) has learned and done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HedgeSnapshot {
    /// After what time a call is hedged; `None` while too little is known.
    pub delay: Option<Duration>,
    /// Calls that were hedged.
    pub hedged: u64,
    /// Hedges that were first.
    pub won: u64,
    /// What hedges may still add.
    pub budget: BudgetSnapshot,
}

/// What does not depend on the service.
pub(super) struct Core {
    pub(super) config: HedgeConfig,
    pub(super) budget: Budget,
    when: When,
    pub(super) hedged: AtomicU64,
    pub(super) won: AtomicU64,
}

enum When {
    Fixed(Duration),
    // Boxed: some kilobytes.
    Learned(Box<Learned>),
}

// ===== impl HedgeHandle =====

impl HedgeHandle {
    /// Hedges as `config` says, with a budget of their own.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: HedgeConfig) -> Result<Self, Invalid> {
        Ok(Self::checked(config.build()?, None))
    }

    /// Hedges that draw on this budget, which others may share. Its deposit takes the place of
    /// [`share`](HedgeConfig::share).
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn with_budget(config: HedgeConfig, budget: Budget) -> Result<Self, Invalid> {
        Ok(Self::checked(config.build()?, Some(budget)))
    }

    pub(super) fn checked(config: HedgeConfig, budget: Option<Budget>) -> Self {
        Self {
            core: Arc::new(Core::new(config, budget)),
        }
    }

    /// What was learned and done.
    #[must_use]
    pub fn snapshot(&self) -> HedgeSnapshot {
        HedgeSnapshot {
            delay: self.core.delay(),
            hedged: self.core.hedged.load(Ordering::Relaxed),
            won: self.core.won.load(Ordering::Relaxed),
            budget: self.core.budget.snapshot(),
        }
    }

    /// The budget of hedges.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.core.budget
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &HedgeConfig {
        &self.core.config
    }
}

impl fmt::Debug for HedgeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HedgeHandle")
            .field("config", &self.core.config)
            .field("snapshot", &self.snapshot())
            .finish()
    }
}

// ===== impl Core =====

impl Core {
    fn new(config: HedgeConfig, budget: Option<Budget>) -> Self {
        let when = match config.delay {
            Delay::Fixed { after } => When::Fixed(after),
            Delay::Learned {
                percentile,
                min_samples,
                window,
                floor,
            } => When::Learned(Box::new(Learned::new(
                percentile,
                min_samples,
                window,
                floor,
            ))),
        };
        Self {
            budget: budget.unwrap_or_else(|| Budget::new(config.budget())),
            config,
            when,
            hedged: AtomicU64::new(0),
            won: AtomicU64::new(0),
        }
    }

    /// After what time a call is hedged, if that is known.
    pub(super) fn delay(&self) -> Option<Duration> {
        match &self.when {
            When::Fixed(after) => Some(*after),
            When::Learned(learned) => learned.delay(),
        }
    }

    /// When a call first has to wait, if anything is to be learned of it.
    pub(super) fn begin(&self) -> Timestamp {
        match &self.when {
            When::Fixed(_) => Timestamp::ZERO,
            When::Learned(_) => Timestamp::now(),
        }
    }

    /// A call that first had to wait at `begun`, or not at all, has its first data.
    #[inline]
    pub(super) fn learn(&self, begun: Option<Timestamp>) {
        let When::Learned(learned) = &self.when else {
            return;
        };
        match begun {
            None => learned.record_at_once(),
            Some(begun) => {
                let now = Timestamp::now();
                learned.record(now.since(begun), now);
            }
        }
    }
}
