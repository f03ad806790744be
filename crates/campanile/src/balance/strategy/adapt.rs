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
}

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
        self.view
            .load(index)
            .filter(|_| self.adapter.allows(self.view, index))
    }

    #[inline(always)]
    fn glance(&self, index: usize) -> Option<Glance> {
        let seen = self.view.glance(index)?;
        self.adapter
            .allows(self.view, index)
            .then(|| Glance {
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
        self.view.random(below)
    }

    #[inline(always)]
    fn random_pair(&self, below: usize) -> (usize, usize) {
        self.view.random_pair(below)
    }

    #[inline(always)]
    fn version(&self) -> u64 {
        self.view.version()
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
