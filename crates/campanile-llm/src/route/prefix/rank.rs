//! Where routers that do not know each other would put a prompt.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwapOption;
use campanile::balance::{View, affinity_key};

use super::PrefixState;
use crate::route::conversation::mix;

/// How many members a prompt may be at, and how surely: the first choice of all routers, the second, the third.
pub(super) const CHOICES: [f64; 3] = [0.9, 0.6, 0.3];

/// The largest pool of which every member is scored (rendezvous hashing); a larger one has a ring.
const SCANNED: usize = 64;

/// The members in the order of their hashes, for pools that are too large to score every one.
#[derive(Debug, Default)]
pub(super) struct Ring {
    built: ArcSwapOption<Points>,
    building: AtomicBool,
}

#[derive(Debug)]
struct Points {
    version: u64,
    /// Hash and index, sorted.
    points: Vec<(u64, u32)>,
}

// ===== impl Ring =====

impl Ring {
    /// The first choices for a key, in their order.
    pub(super) fn choices<V: View<PrefixState>>(&self, view: &V, key: u64) -> [Option<usize>; 3] {
        if view.len() <= SCANNED {
            return scanned(view, key);
        }
        let version = view.version();
        let built = self.built.load();
        if let Some(points) = built.as_ref().filter(|built| built.version == version) {
            return points.choices(view, key);
        }
        drop(built);
        self.build(view, version);
        let built = self.built.load();
        built
            .as_ref()
            .map_or([None; 3], |points| points.choices(view, key))
    }

    /// Others go on with the old ring meanwhile.
    #[cold]
    fn build<V: View<PrefixState>>(&self, view: &V, version: u64) {
        if self.building.swap(true, Ordering::Acquire) {
            return;
        }
        let mut points: Vec<_> = (0..view.len())
            .map(|index| (affinity_key(view.endpoint(index).key()), index as u32))
            .collect();
        points.sort_unstable();
        self.built.store(Some(Arc::new(Points { version, points })));
        self.building.store(false, Ordering::Release);
    }
}

impl Points {
    /// The next members on the ring that may be picked, from three places on.
    fn choices<V: View<PrefixState>>(&self, view: &V, key: u64) -> [Option<usize>; 3] {
        let len = self.points.len();
        std::array::from_fn(|nth| {
            let place = mix(key ^ nth as u64);
            let first = self.points.partition_point(|(hash, _)| *hash < place);
            let near = (first..len).chain(0..first).take(8);
            near.map(|at| self.points[at].1 as usize)
                // The ring may be older than the view.
                .find(|index| *index < view.len() && view.load(*index).is_some())
        })
    }
}

fn scanned<V: View<PrefixState>>(view: &V, key: u64) -> [Option<usize>; 3] {
    let mut best = [(0, None); 3];
    for index in 0..view.len() {
        if view.load(index).is_none() {
            continue;
        }
        let mut rival = (mix(view.state(index).hash() ^ key), Some(index));
        for place in &mut best {
            if rival.0 > place.0 {
                std::mem::swap(place, &mut rival);
            }
        }
    }
    best.map(|(_, index)| index)
}
