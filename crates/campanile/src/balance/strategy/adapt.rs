use std::marker::PhantomData;

use super::{Glance, Probed, View};
use crate::{context::Context, cost::Cost, endpoint::Endpoint, time::Timestamp};

/// What a decorator changes of the view that its inner strategy gets. The defaults change nothing but the state.
pub trait Adapter<T> {
    /// The inner strategy's state.
    type Inner;

    /// The inner strategy's state within the decorator's.
    fn state<'a>(&self, state: &'a T) -> &'a Self::Inner;

    /// Whether the inner strategy may pick a member that is open.
    #[inline(always)]
    fn allows<V: View<T>>(&self, view: &V, index: usize) -> bool {
        let _ = (view, index);
        true
    }

    /// The weight that the inner strategy sees of a member whose weight is `weight`.
    #[inline(always)]
    fn weight<V: View<T>>(&self, view: &V, index: usize, weight: f32) -> f32 {
        let _ = (view, index);
        weight
    }

    /// The inner strategy looked at a member that may not be picked.
    #[inline(always)]
    fn closed<V: View<T>>(&self, view: &V, index: usize) {
        let _ = (view, index);
    }

    /// A number below `below` for the inner strategy, which draws members by it where `below` is how many there are.
    #[inline(always)]
    fn random<V: View<T>>(&self, view: &V, below: usize) -> usize {
        view.random(below)
    }

    /// Two of them, as [`View::random_pair`] draws.
    #[inline(always)]
    fn random_pair<V: View<T>>(&self, view: &V, below: usize) -> (usize, usize) {
        view.random_pair(below)
    }

    /// What changes whenever the members, or a weight as [`Adapter::weight`] gives it, do.
    #[inline(always)]
    fn version<V: View<T>>(&self, view: &V) -> u64 {
        view.version()
    }
}

/// The hooks of [`Strategy`](super::Strategy) that a decorator only passes on: the name of the field that holds the
/// inner strategy, the inner state within the decorator's, the hooks.
///
/// `forward_hooks!(inner, |state| &state.inner; join begin first_data data report end inspect);`
macro_rules! forward_hooks {
    (@ join $inner:ident $state:ident $part:expr) => {
        fn join(&self, peer: $crate::balance::Peer<'_, Self::State>, now: $crate::time::Timestamp) {
            self.$inner.join(peer.map(|$state| $part), now);
        }
    };
    (@ begin $inner:ident $state:ident $part:expr) => {
        #[inline]
        fn begin(&self, peer: $crate::balance::Peer<'_, Self::State>, begin: &$crate::balance::Begin) {
            self.$inner.begin(peer.map(|$state| $part), begin);
        }
    };
    (@ first_data $inner:ident $state:ident $part:expr) => {
        #[inline]
        fn first_data(
            &self,
            peer: $crate::balance::Peer<'_, Self::State>,
            started: $crate::time::Timestamp,
            now: $crate::time::Timestamp,
        ) {
            self.$inner.first_data(peer.map(|$state| $part), started, now);
        }
    };
    (@ data $inner:ident $state:ident $part:expr) => {
        #[inline]
        fn data(&self, peer: $crate::balance::Peer<'_, Self::State>, now: $crate::time::Timestamp, units: u64) {
            self.$inner.data(peer.map(|$state| $part), now, units);
        }
    };
    (@ report $inner:ident $state:ident $part:expr) => {
        fn report(
            &self,
            peer: $crate::balance::Peer<'_, Self::State>,
            now: $crate::time::Timestamp,
            report: &$crate::balance::LoadReport,
        ) {
            self.$inner.report(peer.map(|$state| $part), now, report);
        }
    };
    (@ end $inner:ident $state:ident $part:expr) => {
        #[inline]
        fn end(&self, peer: $crate::balance::Peer<'_, Self::State>, end: &$crate::balance::End<'_>) {
            self.$inner.end(peer.map(|$state| $part), end);
        }
    };
    (@ inspect $inner:ident $state:ident $part:expr) => {
        fn inspect(&self, peer: $crate::balance::Peer<'_, Self::State>, show: &mut dyn FnMut(&'static str, f64)) {
            self.$inner.inspect(peer.map(|$state| $part), show);
        }
    };
    ($inner:ident, |$state:ident| $part:expr; $($hook:ident)+) => {
        $($crate::balance::strategy::adapt::forward_hooks!(@ $hook $inner $state $part);)+
    };
}

pub(super) use forward_hooks;

/// A view as an [`Adapter`] changes it.
#[derive(Debug)]
pub struct Adapt<'a, V, A, T> {
    view: &'a V,
    adapter: A,
    state: PhantomData<fn() -> T>,
}

// ===== impl Adapt =====

impl<'a, V: View<T>, A: Adapter<T>, T> Adapt<'a, V, A, T> {
    /// Changes `view` by `adapter`.
    pub const fn new(view: &'a V, adapter: A) -> Self {
        Self {
            view,
            adapter,
            state: PhantomData,
        }
    }
}

impl<V, A, T> View<A::Inner> for Adapt<'_, V, A, T>
where
    V: View<T>,
    A: Adapter<T>,
    T: 'static,
{
    #[inline(always)]
    fn len(&self) -> usize {
        self.view.len()
    }

    #[inline(always)]
    fn load(&self, index: usize) -> Option<u32> {
        let Some(load) = self.view.load(index) else {
            self.adapter.closed(self.view, index);
            return None;
        };
        self.adapter.allows(self.view, index).then_some(load)
    }

    #[inline(always)]
    fn glance(&self, index: usize) -> Option<Glance> {
        let Some(seen) = self.view.glance(index) else {
            self.adapter.closed(self.view, index);
            return None;
        };
        self.adapter.allows(self.view, index).then(|| Glance {
            weight: self.adapter.weight(self.view, index, seen.weight),
            ..seen
        })
    }

    #[inline(always)]
    fn rank(&self, index: usize) -> f32 {
        self.view.rank(index)
    }

    #[inline(always)]
    fn weight(&self, index: usize) -> f32 {
        self.adapter
            .weight(self.view, index, self.view.weight(index))
    }

    #[inline(always)]
    fn endpoint(&self, index: usize) -> &Endpoint {
        self.view.endpoint(index)
    }

    #[inline(always)]
    fn state(&self, index: usize) -> &A::Inner {
        self.adapter.state(self.view.state(index))
    }

    #[inline(always)]
    fn joined(&self, index: usize) -> Timestamp {
        self.view.joined(index)
    }

    #[inline(always)]
    fn now(&self) -> Timestamp {
        self.view.now()
    }

    #[inline(always)]
    fn random(&self, below: usize) -> usize {
        self.adapter.random(self.view, below)
    }

    #[inline(always)]
    fn random_pair(&self, below: usize) -> (usize, usize) {
        self.adapter.random_pair(self.view, below)
    }

    #[inline(always)]
    fn version(&self) -> u64 {
        self.adapter.version(self.view)
    }

    #[inline(always)]
    fn reopened(&self) -> Timestamp {
        self.view.reopened()
    }

    #[inline(always)]
    fn context(&self) -> Option<&Context> {
        self.view.context()
    }

    #[inline(always)]
    fn cost(&self) -> &Cost {
        self.view.cost()
    }

    #[inline(always)]
    fn probed(&self) -> &[Probed] {
        self.view.probed()
    }
}
