//! Settings that move while a stack runs.

use std::sync::Arc;

/// A setting that a control loop moves: a limit, a rate. Its owner keeps it between a floor and a cap, so whoever moves
/// it need not know them.
pub trait Dial: Send + Sync {
    /// Where it stands.
    fn value(&self) -> f64;

    /// Moves it, and says where it stands now: what is out of its owner's bounds, or no number, stays within them.
    fn set(&self, value: f64) -> f64;

    /// Whether there is still anything to move. A dial that does not keep its owner alive says no once the owner is gone,
    /// and who moves it may stop.
    fn is_alive(&self) -> bool {
        true
    }
}

impl<D: Dial + ?Sized> Dial for Arc<D> {
    fn value(&self) -> f64 {
        (**self).value()
    }

    fn set(&self, value: f64) -> f64 {
        (**self).set(value)
    }

    fn is_alive(&self) -> bool {
        (**self).is_alive()
    }
}
