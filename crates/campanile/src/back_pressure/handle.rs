use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{BackPressureConfig, Counts, Decision, shared::Shared};
use crate::{config::Invalid, control::Dial};

/// The rule at work, for operators. Clones are the same rule.
#[derive(Clone)]
pub struct BackPressureHandle {
    pub(super) shared: Arc<Shared>,
}

/// Everything that is known of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BackPressureSnapshot {
    /// Its settings.
    pub config: BackPressureConfig,
    /// Whether it decides nothing at the moment.
    pub paused: bool,
    /// The calls of this window, up to now.
    pub counts: Counts,
    /// The decision on the window before.
    pub latest: Option<Decision>,
    /// Where the capacities stand.
    pub capacities: Vec<f64>,
    /// Where the rates stand.
    pub rates: Vec<f64>,
}

// ===== impl BackPressureHandle =====

impl BackPressureHandle {
    /// A rule that moves nothing yet, for a [layer](super::BackPressureLayer::shared).
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: BackPressureConfig) -> Result<Self, Invalid> {
        Ok(Self::checked(config.build()?))
    }

    pub(super) fn checked(config: BackPressureConfig) -> Self {
        Self {
            shared: Arc::new(Shared::new(config)),
        }
    }

    /// Moves this capacity too, from the next decision on. One whose [owner is gone](Dial::is_alive) is let go.
    pub fn add_capacity(&self, dial: impl Dial + 'static) {
        self.shared.rule(|rule| {
            rule.capacities.retain(|dial| dial.is_alive());
            rule.capacities.push(Arc::new(dial));
        });
    }

    /// Moves this rate too, from the next decision on.
    pub fn add_rate(&self, dial: impl Dial + 'static) {
        self.shared.rule(|rule| {
            rule.rates.retain(|dial| dial.is_alive());
            rule.rates.push(Arc::new(dial));
        });
    }

    /// Takes other settings. The window begins anew.
    ///
    /// # Errors
    ///
    /// When a setting is out of range; nothing is changed then.
    pub fn set_config(&self, config: BackPressureConfig) -> Result<(), Invalid> {
        self.shared.set_config(config.build()?);
        Ok(())
    }

    /// Decides nothing until it is [resumed](Self::resume): an operator has the capacities and rates in hand.
    pub fn pause(&self) {
        self.shared.rule(|rule| rule.paused = true);
    }

    /// Decides again, from the window that is under way on.
    pub fn resume(&self) {
        self.shared.rule(|rule| rule.paused = false);
    }

    /// Everything that is known.
    #[must_use]
    pub fn snapshot(&self) -> BackPressureSnapshot {
        let (config, paused, capacities, rates) = self.shared.rule(|rule| {
            let dials = (rule.capacities.clone(), rule.rates.clone());
            (rule.config.clone(), rule.paused, dials.0, dials.1)
        });
        let values = |dials: Vec<Arc<dyn Dial>>| dials.iter().map(|dial| dial.value()).collect();
        BackPressureSnapshot {
            config,
            paused,
            counts: self.shared.counts(),
            latest: self.shared.latest().borrow().clone(),
            capacities: values(capacities),
            rates: values(rates),
        }
    }

    /// Tells of every decision, those to hold included. `None` before the first.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Decision>> {
        self.shared.latest().subscribe()
    }
}

impl fmt::Debug for BackPressureHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}
