use super::{Adapt, Adapter, Pick, Prepare, Strategy, View, adapt::forward_hooks};
use crate::context::Attempt;

/// Avoids endpoints that earlier attempts of the same call went to, so that a retry or a hedge goes elsewhere.
///
/// Where a call has been is its context's [`trail`](crate::Context::trail); without one nothing is avoided. When every
/// open member has been tried they may all be picked again. The first attempt costs one look at the empty trail; later
/// ones copy it once.
///
/// Put it outermost, around [`Tiers`](super::Tiers) too: then a tier whose members were all tried spills to the next.
///
/// ```
/// use campanile::balance::{AvoidTried, BalanceLayer, LeastLoaded};
///
/// let layer = BalanceLayer::new(AvoidTried::new(LeastLoaded::default()));
/// # let _ = layer;
/// ```
#[derive(Debug, Clone, Default)]
pub struct AvoidTried<St> {
    inner: St,
}

struct Untried<'a>(&'a [Attempt]);

// ===== impl AvoidTried =====

impl<St> AvoidTried<St> {
    /// Picks by `inner` among those not tried.
    #[must_use]
    pub const fn new(inner: St) -> Self {
        Self { inner }
    }

    /// The strategy within.
    pub const fn inner(&self) -> &St {
        &self.inner
    }
}

impl<St: Strategy> Strategy for AvoidTried<St> {
    type State = St::State;

    forward_hooks!(inner, |state| state; join begin first_data data report end inspect);
}

impl<Req, St: Pick<Req>> Pick<Req> for AvoidTried<St> {
    #[inline]
    fn pick<V: View<Self::State>>(&self, view: &V, request: &Req) -> Option<usize> {
        let tried = tried(view);
        if tried.is_empty() {
            return self.inner.pick(view, request);
        }
        self.inner
            .pick(&Adapt::new(view, Untried(&tried)), request)
            .or_else(|| self.inner.pick(view, request))
    }

    fn prepare<V: View<Self::State>>(&self, view: &V, request: &Req) -> Option<Prepare> {
        let tried = tried(view);
        if tried.is_empty() {
            return self.inner.prepare(view, request);
        }
        self.inner
            .prepare(&Adapt::new(view, Untried(&tried)), request)
    }
}

/// An empty list takes no allocation.
#[inline]
fn tried<T, V: View<T>>(view: &V) -> Vec<Attempt> {
    view.context()
        .and_then(|context| context.trail.as_ref())
        .map_or_else(Vec::new, crate::context::Trail::attempts)
}

impl<T: 'static> Adapter<T> for Untried<'_> {
    type Inner = T;

    #[inline]
    fn state<'a>(&self, state: &'a T) -> &'a T {
        state
    }

    fn allows<V: View<T>>(&self, view: &V, index: usize) -> bool {
        let endpoint = view.endpoint(index);
        self.0.iter().all(|attempt| attempt.endpoint != *endpoint)
    }
}
