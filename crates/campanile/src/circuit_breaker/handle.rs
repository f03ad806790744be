use std::sync::Arc;

use tokio::sync::watch;

use super::{
    breaker::Breaker,
    config::CircuitBreakerConfig,
    status::{BreakerSnapshot, BreakerState, BreakerStatus},
};
use crate::{config::Invalid, time::Timestamp};

/// A breaker in the hand: to look at it, and to open and close it by hand. Clones are the same breaker.
///
/// ```
/// use campanile::circuit_breaker::{BreakerState, CircuitBreakerConfig, CircuitBreakerHandle};
///
/// let breaker = CircuitBreakerHandle::new(CircuitBreakerConfig::default()).unwrap();
/// breaker.force_open();
/// assert_eq!(breaker.state(), BreakerState::ForcedOpen);
/// breaker.reset();
/// assert_eq!(breaker.state(), BreakerState::Closed);
/// ```
#[derive(Debug, Clone)]
pub struct CircuitBreakerHandle {
    pub(super) breaker: Arc<Breaker>,
}

// ===== impl CircuitBreakerHandle =====

impl CircuitBreakerHandle {
    /// A closed breaker, for [`CircuitBreakerLayer::shared`](super::CircuitBreakerLayer::shared).
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: CircuitBreakerConfig) -> Result<Self, Invalid> {
        Ok(Self::checked(config.build()?))
    }

    pub(super) fn checked(config: CircuitBreakerConfig) -> Self {
        Self {
            breaker: Arc::new(Breaker::new(config)),
        }
    }

    /// The state. An open breaker whose time is over is open until a call comes.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.breaker.watch().borrow().state
    }

    /// Follows state, transitions and their causes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<BreakerStatus> {
        self.breaker.watch()
    }

    /// Everything that is known of it now.
    #[must_use]
    pub fn snapshot(&self) -> BreakerSnapshot {
        self.breaker.snapshot(Timestamp::now())
    }

    /// Lets no call in until [`reset`](Self::reset) or [`force_close`](Self::force_close).
    pub fn force_open(&self) {
        let now = Timestamp::now();
        self.breaker.change(now, |machine| machine.force_open(now));
    }

    /// Lets every call in whatever becomes of them, until [`reset`](Self::reset) or [`force_open`](Self::force_open).
    /// What the upstream asked for is forgotten.
    pub fn force_close(&self) {
        let now = Timestamp::now();
        self.breaker.change(now, |machine| machine.force_close(now));
    }

    /// Closes it and forgets everything but the number of trips. Calls in flight count no more.
    pub fn reset(&self) {
        let now = Timestamp::now();
        self.breaker.change(now, |machine| machine.reset(now));
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> CircuitBreakerConfig {
        self.breaker.config()
    }

    /// Goes on by other settings, in the state in which it is.
    ///
    /// # Errors
    ///
    /// When a setting is out of range; nothing is changed then.
    pub fn set_config(&self, config: CircuitBreakerConfig) -> Result<(), Invalid> {
        let config = config.build()?;
        self.breaker
            .change(Timestamp::now(), |machine| machine.configure(config));
        Ok(())
    }
}
