use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::{Check, Probe, Report};

/// A probe whose type is erased, so that a list can hold different ones. Clones are the same probe.
///
/// ```
/// use campanile::health::{BoxProbe, Check, TcpProbe};
/// use std::net::SocketAddr;
///
/// let probes: [BoxProbe<SocketAddr>; 2] = [
///     BoxProbe::new(TcpProbe::target()),
///     BoxProbe::new(|check: Check<SocketAddr>| async move { check.target.port() != 0 }),
/// ];
/// # let _ = probes;
/// ```
pub struct BoxProbe<T> {
    inner: Arc<dyn Erased<T>>,
}

/// A [`Probe`] as an object: its future is boxed, since an object's must be of one type.
trait Erased<T>: Send + Sync {
    fn check(&self, check: Check<T>) -> BoxReport;
    fn is_paid(&self) -> bool;
}

/// A check under way.
pub(super) type BoxReport = Pin<Box<dyn Future<Output = Report> + Send>>;

// ===== impl BoxProbe =====

impl<T> BoxProbe<T> {
    /// Erases the type of a probe.
    pub fn new(probe: impl Probe<T>) -> Self {
        Self {
            inner: Arc::new(probe),
        }
    }
}

impl<T: 'static> Probe<T> for BoxProbe<T> {
    fn check(&self, check: Check<T>) -> impl Future<Output = Report> + Send + 'static {
        self.inner.check(check)
    }

    fn is_paid(&self) -> bool {
        self.inner.is_paid()
    }
}

impl<T, P: Probe<T>> Erased<T> for P {
    fn check(&self, check: Check<T>) -> BoxReport {
        Box::pin(Probe::check(self, check))
    }

    fn is_paid(&self) -> bool {
        Probe::is_paid(self)
    }
}

impl<T> Clone for BoxProbe<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<T> fmt::Debug for BoxProbe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxProbe")
            .field("paid", &self.inner.is_paid())
            .finish_non_exhaustive()
    }
}
