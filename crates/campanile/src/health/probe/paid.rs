use std::future::Future;

use super::{Check, Probe, Report};

/// A probe that costs money each time: a call of a provider that charges for it. It runs only where a cap is set for
/// such probes.
///
/// ```
/// use campanile::health::{Check, Paid, Probe};
///
/// let completes = |_: Check<()>| async { true };
/// assert!(Probe::<()>::is_paid(&Paid::new(completes)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Paid<P> {
    probe: P,
}

// ===== impl Paid =====

impl<P> Paid<P> {
    /// Marks a probe.
    pub const fn new(probe: P) -> Self {
        Self { probe }
    }
}

impl<T, P: Probe<T>> Probe<T> for Paid<P> {
    fn check(&self, check: Check<T>) -> impl Future<Output = Report> + Send + 'static {
        self.probe.check(check)
    }

    fn is_paid(&self) -> bool {
        true
    }
}
