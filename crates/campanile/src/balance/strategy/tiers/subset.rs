use super::super::{Glance, Probed, View, hash::mix};
use crate::{context::Context, cost::Cost, endpoint::Endpoint, time::Timestamp};

/// Some members of a view as a view of their own, so that a strategy that samples draws nobody else.
pub(super) struct Subset<'a, V> {
    pub(super) view: &'a V,
    /// Which members, by index.
    pub(super) members: &'a [u32],
    /// Which subset this is.
    pub(super) number: usize,
}

impl<V> Subset<'_, V> {
    #[inline]
    pub(super) fn outer(&self, index: usize) -> usize {
        self.members[index] as usize
    }
}

impl<T, V: View<T>> View<T> for Subset<'_, V> {
    #[inline]
    fn len(&self) -> usize {
        self.members.len()
    }

    #[inline]
    fn load(&self, index: usize) -> Option<u32> {
        self.view.load(self.outer(index))
    }

    #[inline]
    fn glance(&self, index: usize) -> Option<Glance> {
        self.view.glance(self.outer(index))
    }

    #[inline]
    fn rank(&self, index: usize) -> f32 {
        self.view.rank(self.outer(index))
    }

    #[inline]
    fn weight(&self, index: usize) -> f32 {
        self.view.weight(self.outer(index))
    }

    #[inline]
    fn endpoint(&self, index: usize) -> &Endpoint {
        self.view.endpoint(self.outer(index))
    }

    #[inline]
    fn state(&self, index: usize) -> &T {
        self.view.state(self.outer(index))
    }

    #[inline]
    fn joined(&self, index: usize) -> Timestamp {
        self.view.joined(self.outer(index))
    }

    #[inline]
    fn now(&self) -> Timestamp {
        self.view.now()
    }

    #[inline]
    fn random(&self, below: usize) -> usize {
        self.view.random(below)
    }

    #[inline]
    fn random_pair(&self, below: usize) -> (usize, usize) {
        self.view.random_pair(below)
    }

    #[inline]
    fn version(&self) -> u64 {
        mix(self.view.version() ^ mix(self.number as u64))
    }

    #[inline]
    fn reopened(&self) -> Timestamp {
        self.view.reopened()
    }

    #[inline]
    fn context(&self) -> Option<&Context> {
        self.view.context()
    }

    #[inline]
    fn cost(&self) -> &Cost {
        self.view.cost()
    }

    #[inline]
    fn probed(&self) -> &[Probed] {
        self.view.probed()
    }
}
