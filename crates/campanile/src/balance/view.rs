use std::cell::Cell;

use super::{
    members::Members,
    strategy::{Probed, Strategy, View},
};
use crate::{context::Context, cost::Cost, endpoint::Endpoint, time::Timestamp};

/// The members as one pick sees them.
pub(super) struct PoolView<'a, S, St: Strategy> {
    pub(super) members: &'a Members<S, St>,
    pub(super) now: Timestamp,
    pub(super) weights: u64,
    pub(super) rng: &'a Cell<u64>,
    pub(super) context: Option<&'a Context>,
    pub(super) cost: &'a Cost,
    pub(super) probed: &'a [Probed],
    /// Members that this call has found not to be ready.
    pub(super) left: &'a [u32],
}

impl<S, St: Strategy> View<St::State> for PoolView<'_, S, St> {
    #[inline]
    fn len(&self) -> usize {
        self.members.len()
    }

    #[inline]
    fn load(&self, index: usize) -> Option<u32> {
        let cell = self.members.cell(index);
        let load = match cell.open_load() {
            Some(load) => load,
            None if self.endpoint(index).gate().is_open(self.now) => cell.in_flight(),
            None => return None,
        };
        (self.left.is_empty() || !self.left.contains(&(index as u32))).then_some(load)
    }

    #[inline]
    fn rank(&self, index: usize) -> f32 {
        self.members.cell(index).rank()
    }

    #[inline]
    fn weight(&self, index: usize) -> f32 {
        self.members.cell(index).weight()
    }

    #[inline]
    fn endpoint(&self, index: usize) -> &Endpoint {
        &self.members.slot(index).member.endpoint
    }

    #[inline]
    fn state(&self, index: usize) -> &St::State {
        &self.members.slot(index).member.state
    }

    #[inline]
    fn joined(&self, index: usize) -> Timestamp {
        self.members.slot(index).member.joined
    }

    #[inline]
    fn now(&self) -> Timestamp {
        self.now
    }

    #[inline]
    fn random(&self, below: usize) -> usize {
        let mut rng = fastrand::Rng::with_seed(self.rng.get());
        let number = rng.usize(..below);
        self.rng.set(rng.get_seed());
        number
    }

    #[inline]
    fn version(&self) -> u64 {
        // Both only grow, so the sum changes whenever either does.
        self.members.version.wrapping_add(self.weights)
    }

    #[inline]
    fn context(&self) -> Option<&Context> {
        self.context
    }

    #[inline]
    fn cost(&self) -> &Cost {
        self.cost
    }

    #[inline]
    fn probed(&self) -> &[Probed] {
        self.probed
    }
}
