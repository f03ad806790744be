use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    members::Members,
    strategy::{Glance, Probed, Strategy, View},
};
use crate::{context::Context, cost::Cost, endpoint::Endpoint, time::Timestamp};

/// The members as one pick sees them.
pub(super) struct PoolView<'a, S, St: Strategy> {
    pub(super) members: &'a Members<S, St>,
    pub(super) now: Timestamp,
    pub(super) weights: u64,
    pub(super) reopened: &'a AtomicU64,
    pub(super) rng: &'a Cell<u64>,
    pub(super) context: Option<&'a Context>,
    pub(super) cost: &'a Cost,
    pub(super) probed: &'a [Probed],
    /// Members that this call has found not to be ready.
    pub(super) left: &'a [u32],
}

impl<S, St: Strategy> PoolView<'_, S, St> {
    /// The load of a member whose gate was closed, if its time is over and this call has not left it.
    #[cold]
    fn load_anew(&self, index: usize) -> Option<u32> {
        let endpoint = self.endpoint(index);
        let open = endpoint.gate().is_open(self.now) && !self.left.contains(&(index as u32));
        open.then(|| endpoint.in_flight())
    }
}

impl<S, St: Strategy> View<St::State> for PoolView<'_, S, St> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.members.len()
    }

    #[inline(always)]
    fn load(&self, index: usize) -> Option<u32> {
        match self.members.cell(index).open_load() {
            Some(load) if self.left.is_empty() => Some(load),
            _ => self.load_anew(index),
        }
    }

    #[inline(always)]
    fn glance(&self, index: usize) -> Option<Glance> {
        let cell = self.members.cell(index);
        let load = match cell.open_load() {
            Some(load) if self.left.is_empty() => load,
            _ => self.load_anew(index)?,
        };
        Some(Glance {
            load,
            rank: cell.rank(),
            weight: self.weight(index),
        })
    }

    #[inline(always)]
    fn rank(&self, index: usize) -> f32 {
        self.members.cell(index).rank()
    }

    #[inline(always)]
    fn weight(&self, index: usize) -> f32 {
        if self.members.is_uniform(self.weights) {
            1.0
        } else {
            self.members.cell(index).weight()
        }
    }

    #[inline(always)]
    fn endpoint(&self, index: usize) -> &Endpoint {
        &self.members.slot(index).member.endpoint
    }

    #[inline(always)]
    fn state(&self, index: usize) -> &St::State {
        &self.members.slot(index).member.state
    }

    #[inline(always)]
    fn joined(&self, index: usize) -> Timestamp {
        self.members.slot(index).member.joined
    }

    #[inline(always)]
    fn now(&self) -> Timestamp {
        self.now
    }

    #[inline(always)]
    fn random(&self, below: usize) -> usize {
        let mut rng = fastrand::Rng::with_seed(self.rng.get());
        let number = rng.usize(..below);
        self.rng.set(rng.get_seed());
        number
    }

    /// One draw of 64 bits, halved. Multiplied down without a correction: the bias is below one in 40,000 at 100,000
    /// members.
    #[inline(always)]
    fn random_pair(&self, below: usize) -> (usize, usize) {
        let mut rng = fastrand::Rng::with_seed(self.rng.get());
        let bits = rng.u64(..);
        self.rng.set(rng.get_seed());
        let scale = |half: u64, below: usize| ((half * below as u64) >> 32) as usize;
        let first = scale(bits >> 32, below);
        let second = scale(bits & 0xffff_ffff, below - 1);
        (first, second + usize::from(second >= first))
    }

    #[inline(always)]
    fn version(&self) -> u64 {
        (self.members.version << 32) | (self.weights & 0xffff_ffff)
    }

    #[inline(always)]
    fn reopened(&self) -> Timestamp {
        Timestamp::from_nanos(self.reopened.load(Ordering::Relaxed))
    }

    #[inline(always)]
    fn context(&self) -> Option<&Context> {
        self.context
    }

    #[inline(always)]
    fn cost(&self) -> &Cost {
        self.cost
    }

    #[inline(always)]
    fn probed(&self) -> &[Probed] {
        self.probed
    }
}
