use super::{Adapt, Adapter, Begin, End, LoadReport, Peer, Pick, Prepare, Strategy, View};
use crate::time::Timestamp;

/// Placeholder.
#[derive(Debug, Clone, Default)]
pub struct FastFail<St> {
    inner: St,
}

/// Placeholder.
#[derive(Debug, Clone, Copy, Default)]
pub struct FastFailConfig {}

/// Placeholder.
#[derive(Debug, Default)]
pub struct FastFailState<T> {
    inner: T,
}

impl<St> FastFail<St> {
    /// Guards `inner`.
    pub const fn new(inner: St) -> Self {
        Self { inner }
    }
}

struct Through;

impl<T: 'static> Adapter<FastFailState<T>> for Through {
    type Inner = T;

    #[inline]
    fn state<'a>(&self, state: &'a FastFailState<T>) -> &'a T {
        &state.inner
    }
}

impl<St: Strategy> Strategy for FastFail<St> {
    type State = FastFailState<St::State>;

    fn join(&self, peer: Peer<'_, Self::State>, now: Timestamp) {
        self.inner.join(peer.map(|state| &state.inner), now);
    }

    #[inline]
    fn begin(&self, peer: Peer<'_, Self::State>, begin: &Begin) {
        self.inner.begin(peer.map(|state| &state.inner), begin);
    }

    #[inline]
    fn data(&self, peer: Peer<'_, Self::State>, now: Timestamp, units: u64) {
        self.inner.data(peer.map(|state| &state.inner), now, units);
    }

    fn report(&self, peer: Peer<'_, Self::State>, now: Timestamp, report: &LoadReport) {
        self.inner
            .report(peer.map(|state| &state.inner), now, report);
    }

    #[inline]
    fn end(&self, peer: Peer<'_, Self::State>, end: &End<'_>) {
        self.inner.end(peer.map(|state| &state.inner), end);
    }

    fn inspect(&self, peer: Peer<'_, Self::State>, show: &mut dyn FnMut(&'static str, f64)) {
        self.inner.inspect(peer.map(|state| &state.inner), show);
    }
}

impl<Req, St: Pick<Req>> Pick<Req> for FastFail<St> {
    #[inline]
    fn pick<V: View<Self::State>>(&self, view: &V, request: &Req) -> Option<usize> {
        self.inner.pick(&Adapt::new(view, Through), request)
    }

    fn prepare<V: View<Self::State>>(&self, view: &V, request: &Req) -> Option<Prepare> {
        self.inner.prepare(&Adapt::new(view, Through), request)
    }
}
