use std::{
    fmt,
    sync::{Arc, Weak},
};

use serde::{Deserialize, Serialize};

use super::{
    ConcurrencyLimitConfig,
    algorithm::Algorithm,
    control::Control,
    shared::Shared,
    state::{Bounds, MAX_LIMIT},
};
use crate::{config::Invalid, control::Dial};

/// Looks at a concurrency limit, and moves it, while services that share it run. Clones are the same limit.
///
/// It is had from a [service](super::ConcurrencyLimit::handle), or made
/// first and given to layers, whose services then share one limit:
///
/// ```
/// use campanile::concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitHandle, ConcurrencyLimitLayer};
///
/// let limit = ConcurrencyLimitHandle::new(ConcurrencyLimitConfig::fixed(8)).unwrap();
/// let (chat, embed) = (ConcurrencyLimitLayer::shared(&limit), ConcurrencyLimitLayer::shared(&limit));
/// assert_eq!(limit.set_limit(5), 5);
/// # let _ = (chat, embed);
/// ```
#[derive(Clone)]
pub struct ConcurrencyLimitHandle {
    shared: Arc<Shared>,
}

/// What a concurrency limit is like at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConcurrencyLimitSnapshot {
    /// The limit in force.
    pub limit: u32,
    /// Permits in use, each to the end of its call's body or stream. More than the limit after that was lowered.
    pub in_use: u32,
    /// Calls that wait for a permit.
    pub waiting: usize,
    /// What the limit never falls below.
    pub floor: u32,
    /// What it never rises above.
    pub cap: u32,
    /// What it does not rise above now, by the [ceiling dial](ConcurrencyLimitHandle::ceiling_dial).
    pub ceiling: u32,
    /// Whether an algorithm moves the limit, and nobody holds it.
    pub adapts: bool,
    /// Calls up to now that found no room: they were refused, or had to wait.
    pub full: u64,
    /// Calls up to now that were refused, at once or after a wait.
    pub refused: u64,
    /// Calls up to now that were served; `None` for a static limit, which does not count them.
    pub completed: Option<u64>,
    /// Calls up to now that were throttled, overloaded the service, or timed out; `None` for a static limit.
    pub dropped: Option<u64>,
}

/// Moves a limit; see [`ConcurrencyLimitHandle::limit_dial`]. It does not keep the limit alive: once that is gone, it
/// stands at 0.
#[derive(Debug, Clone)]
pub struct LimitDial(Weak<Shared>);

/// Moves what a limit does not rise above; see [`ConcurrencyLimitHandle::ceiling_dial`]. It does not keep the limit alive:
/// once that is gone, it stands at 0.
#[derive(Debug, Clone)]
pub struct CeilingDial(Weak<Shared>);

// ===== impl ConcurrencyLimitHandle =====

impl ConcurrencyLimitHandle {
    /// A limit of its own.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: ConcurrencyLimitConfig) -> Result<Self, Invalid> {
        Ok(Self::of(Arc::new(Shared::new(config.build()?, None))))
    }

    /// A limit that adapts by `algorithm`, whichever the configuration names.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn adaptive(
        config: ConcurrencyLimitConfig,
        algorithm: impl Algorithm,
    ) -> Result<Self, Invalid> {
        let algorithm = Box::new(algorithm);
        let shared = Shared::new(config.build()?, Some(algorithm));
        Ok(Self::of(Arc::new(shared)))
    }

    pub(super) const fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Permits in use.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.shared.word().in_use()
    }

    /// Calls that wait for a permit.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.waiting()
    }

    /// The limit in force.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.shared.word().limit()
    }

    /// Sets the limit, as near to `limit` as floor, cap and ceiling let it; says what it is. An adaptive limit is held
    /// there until it may [adapt](Self::adapt) again. What is in use beyond stays in use to its end.
    pub fn set_limit(&self, limit: u32) -> u32 {
        self.rebound(|bounds| bounds.held = Some(limit.clamp(bounds.floor, bounds.cap)))
            .limit()
    }

    /// Lets an adaptive limit adapt again, after [`set_limit`](Self::set_limit) or the limit's dial held it. It goes on
    /// where its algorithm stands. A static limit stays as it is.
    pub fn adapt(&self) {
        if self.shared.control().is_some() {
            self.rebound(|bounds| bounds.held = None);
        }
    }

    /// The limit as a dial. Moving it [sets the limit](Self::set_limit), so that an adaptive one is held.
    #[must_use]
    pub fn limit_dial(&self) -> LimitDial {
        LimitDial(Arc::downgrade(&self.shared))
    }

    /// What the limit does not rise above, as a dial between floor and cap, where it stands at first: for what watches the
    /// hardware. The limit itself is set, or adapts, below it.
    #[must_use]
    pub fn ceiling_dial(&self) -> CeilingDial {
        CeilingDial(Arc::downgrade(&self.shared))
    }

    /// Everything that is known of the limit, in a form that can be serialised.
    #[must_use]
    pub fn snapshot(&self) -> ConcurrencyLimitSnapshot {
        let bounds = self.shared.bounds();
        let word = self.shared.word();
        let (full, refused) = self.shared.shortage();
        let (completed, dropped) = self.shared.control().map(Control::ends).unzip();
        ConcurrencyLimitSnapshot {
            limit: word.limit(),
            in_use: word.in_use(),
            waiting: self.waiting(),
            floor: bounds.floor,
            cap: bounds.cap,
            ceiling: bounds.ceiling,
            adapts: bounds.held.is_none(),
            full,
            refused,
            completed,
            dropped,
        }
    }

    fn rebound(&self, change: impl FnOnce(&mut Bounds)) -> Bounds {
        self.shared.rebound(change)
    }
}

impl fmt::Debug for ConcurrencyLimitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConcurrencyLimitHandle")
            .field(&self.shared)
            .finish()
    }
}

// ===== impl Dial =====

impl Dial for LimitDial {
    fn value(&self) -> f64 {
        owner(&self.0).map_or(0.0, |handle| f64::from(handle.limit()))
    }

    fn set(&self, value: f64) -> f64 {
        match owner(&self.0).zip(whole(value)) {
            Some((handle, limit)) => f64::from(handle.set_limit(limit)),
            None => self.value(),
        }
    }

    fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl Dial for CeilingDial {
    fn value(&self) -> f64 {
        owner(&self.0).map_or(0.0, |handle| f64::from(handle.shared.bounds().ceiling))
    }

    fn set(&self, value: f64) -> f64 {
        let Some((handle, ceiling)) = owner(&self.0).zip(whole(value)) else {
            return self.value();
        };
        let bounds = handle.rebound(|bounds| {
            bounds.ceiling = ceiling.clamp(bounds.floor, bounds.cap);
        });
        f64::from(bounds.ceiling)
    }

    fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }
}

fn owner(shared: &Weak<Shared>) -> Option<ConcurrencyLimitHandle> {
    shared.upgrade().map(ConcurrencyLimitHandle::of)
}

/// The nearest whole number; none for what is no number.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped before the cast
fn whole(value: f64) -> Option<u32> {
    (!value.is_nan()).then(|| value.round().clamp(0.0, f64::from(MAX_LIMIT)) as u32)
}
