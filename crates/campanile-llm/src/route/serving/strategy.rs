use std::sync::OnceLock;

use campanile::{
    Call,
    balance::{Adapt, Adapter, Begin, End, LoadReport, Peer, Pick, Prepare, Strategy, View},
    time::Timestamp,
};

use super::few::{Among, Few};
use crate::route::{
    Catalogue, Routed,
    catalogue::{Asked, Place, Table, Verdict},
    routed::{least, tokens},
};

/// Picks by `St` among the members that serve the model of a request with what the request needs. See the [module](super).
///
/// Put it within [`AvoidTried`](campanile::balance::AvoidTried) and around [`Tiers`](campanile::balance::Tiers): then a tier of
/// which nobody serves a request is passed over.
#[derive(Debug, Clone)]
pub struct Serving<St> {
    inner: St,
    catalogue: Catalogue,
    few: Few,
}

/// What [`Serving`] keeps of an endpoint.
#[derive(Debug, Default)]
pub struct ServingState<T> {
    inner: T,
    place: OnceLock<Place>,
}

/// Hides who does not serve a request.
struct Able<'a>(&'a Asked<'a>);

// ===== impl Serving =====

impl<St> Serving<St> {
    /// Picks by `inner` among those who serve a request, as the catalogue says.
    #[must_use]
    pub fn new(inner: St, catalogue: &Catalogue) -> Self {
        Self {
            inner,
            catalogue: catalogue.clone(),
            few: Few::default(),
        }
    }

    /// The strategy within.
    pub const fn inner(&self) -> &St {
        &self.inner
    }
}

impl<St: Strategy> Serving<St> {
    /// Reads by those who serve a request: those for whom it is believed not to be too long, and where there is none, those for
    /// whom that is not sure.
    fn with<V: View<ServingState<St::State>>, T: Routed, R>(
        &self,
        view: &V,
        request: &T,
        read: impl Fn(&Among<'_, V>, Able<'_>) -> Option<R>,
    ) -> Option<R> {
        let table = self.catalogue.table();
        let needs = request.needs();
        let context = view.context();
        let ask = |tokens| table.ask(request.model(), needs, tokens);
        let believed = ask(tokens(request, context, || needs.media));
        self.few.among(view, &table, believed.number(), |among| {
            read(among, Able(&believed)).or_else(|| {
                if believed.of_all() != Verdict::Overflows {
                    return None;
                }
                let sure = ask(least(request, context, || needs.media));
                read(among, Able(&sure))
            })
        })
    }
}

impl<St: Strategy> Strategy for Serving<St> {
    type State = ServingState<St::State>;

    fn join(&self, peer: Peer<'_, Self::State>, now: Timestamp) {
        peer.state
            .place
            .get_or_init(|| self.catalogue.join(peer.endpoint));
        self.inner.join(peer.map(|state| &state.inner), now);
    }

    #[inline]
    fn begin(&self, peer: Peer<'_, Self::State>, begin: &Begin) {
        self.inner.begin(peer.map(|state| &state.inner), begin);
    }

    #[inline]
    fn first_data(&self, peer: Peer<'_, Self::State>, started: Timestamp, now: Timestamp) {
        self.inner
            .first_data(peer.map(|state| &state.inner), started, now);
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

impl<T: Routed, St: Pick<Call<T>>> Pick<Call<T>> for Serving<St> {
    fn pick<V: View<Self::State>>(&self, view: &V, request: &Call<T>) -> Option<usize> {
        self.with(view, &request.message, |among, able| {
            self.inner.pick(&Adapt::new(among, able), request)
        })
    }

    fn prepare<V: View<Self::State>>(&self, view: &V, request: &Call<T>) -> Option<Prepare> {
        self.with(view, &request.message, |among, able| {
            self.inner.prepare(&Adapt::new(among, able), request)
        })
    }
}

// ===== impl ServingState =====

impl<T> ServingState<T> {
    /// What the strategy within keeps of the endpoint: for a strategy that is one of these at times.
    #[inline]
    #[must_use]
    pub const fn inner(&self) -> &T {
        &self.inner
    }

    /// The models that the member has, of those that some member names.
    pub(super) fn models(&self, table: &Table, tell: impl FnMut(u32)) {
        if let Some(place) = self.place.get() {
            table.models_of(place.number, tell);
        }
    }
}

// ===== impl Able =====

impl<T: 'static> Adapter<ServingState<T>> for Able<'_> {
    type Inner = T;

    #[inline]
    fn state<'a>(&self, state: &'a ServingState<T>) -> &'a T {
        &state.inner
    }

    #[inline]
    fn allows<V: View<ServingState<T>>>(&self, view: &V, index: usize) -> bool {
        let place = view.state(index).place.get();
        place.is_some_and(|place| self.0.of(place.number) == Verdict::Serves)
    }
}
