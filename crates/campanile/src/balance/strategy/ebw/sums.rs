use crate::balance::strategy::pace::decay;

/// Busy time and work, both fading with one time constant.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Sums {
    /// The integral of `g(b)` over time, in seconds.
    pub(super) busy: f64,
    /// Units of work.
    pub(super) work: f64,
}

// ===== impl Sums =====

impl Sums {
    /// After `dt` seconds at a busyness of `g`, at the end of which `work` was done; `tau` is the time constant.
    #[inline]
    pub(super) fn after(self, dt: f64, tau: f64, g: f64, work: f64) -> Self {
        let (kept, gone) = decay(dt / tau);
        Self {
            busy: self.busy * kept + g * tau * gone,
            work: self.work * kept + work,
        }
    }

    /// What was added since these sums were `earlier`, `dt` seconds ago. Never below zero.
    pub(super) fn since(self, earlier: Self, dt: f64, tau: f64) -> Self {
        let (kept, _) = decay(dt / tau);
        Self {
            busy: (self.busy - earlier.busy * kept).max(0.0),
            work: (self.work - earlier.work * kept).max(0.0),
        }
    }
}

/// `g(b) = b / (1 + b/k)`: calls beyond `k` add little, since they share what the endpoint can do.
#[inline]
pub(super) fn busyness(in_flight: u32, k: f64) -> f64 {
    let b = f64::from(in_flight);
    b / (1.0 + b / k)
}
