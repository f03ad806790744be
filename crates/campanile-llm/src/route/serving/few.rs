//! Where the members stand that serve a model which few members of a pool serve.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use campanile::{
    Context, Cost, Endpoint,
    balance::{Glance, Probed, View},
    time::Timestamp,
};

use super::ServingState;
use crate::route::catalogue::Table;

/// The smallest pool in which they are looked up. In a smaller one, chance finds them.
const LARGE: usize = 16;

/// For each model that fewer than half of the members serve, which those are. Made anew when the members or the catalogue
/// change.
///
/// A strategy that draws members at random would find none of them, walk on to the first that there is, and so send all to the
/// same one where they stand side by side.
#[derive(Default)]
pub(super) struct Few {
    built: ArcSwapOption<Lists>,
    building: AtomicBool,
}

struct Lists {
    members: usize,
    view: u64,
    table: u64,
    by_model: HashMap<u32, Box<[u32]>>,
}

/// A view whose random members are those of a list; everything else is as it was.
pub(super) struct Among<'a, V> {
    view: &'a V,
    list: &'a [u32],
}

// ===== impl Few =====

impl Few {
    /// Reads the view as one of those that serve a model.
    pub(super) fn among<T: 'static, V: View<ServingState<T>>, R>(
        &self,
        view: &V,
        table: &Table,
        model: Option<u32>,
        read: impl FnOnce(&Among<'_, V>) -> R,
    ) -> R {
        let all = Among { view, list: &[] };
        let Some(model) = model.filter(|_| view.len() >= LARGE) else {
            return read(&all);
        };
        // Two pools of one strategy may be at the same version; then no list may lead beyond the members of either.
        let is_present = |lists: &Arc<Lists>| {
            lists.view == view.version()
                && lists.table == table.version()
                && lists.members == view.len()
        };
        let mut built = self.built.load();
        if !built.as_ref().is_some_and(is_present) {
            drop(built);
            self.build(view, table);
            built = self.built.load();
        }
        let lists = built.as_ref().filter(|lists| is_present(lists));
        let list = lists.and_then(|lists| lists.by_model.get(&model));
        read(&list.map_or(all, |list| Among { view, list }))
    }

    /// Others go on without it meanwhile.
    #[cold]
    fn build<T: 'static, V: View<ServingState<T>>>(&self, view: &V, table: &Table) {
        if self.building.swap(true, Ordering::Acquire) {
            return;
        }
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for index in 0..view.len() {
            let count = |model| *counts.entry(model).or_default() += 1;
            view.state(index).models(table, count);
        }
        counts.retain(|_, count| *count < view.len() / 2);
        let mut lists: HashMap<u32, Vec<u32>> = counts
            .into_iter()
            .map(|(model, count)| (model, Vec::with_capacity(count)))
            .collect();
        for index in 0..view.len() {
            view.state(index).models(table, |model| {
                if let Some(list) = lists.get_mut(&model) {
                    list.push(index as u32);
                }
            });
        }
        let lists = Lists {
            members: view.len(),
            view: view.version(),
            table: table.version(),
            by_model: lists
                .into_iter()
                .map(|(model, list)| (model, list.into()))
                .collect(),
        };
        self.built.store(Some(Arc::new(lists)));
        self.building.store(false, Ordering::Release);
    }
}

/// A clone of a strategy is another pool's: it begins anew.
impl Clone for Few {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Few {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let built = self.built.load();
        let models = built.as_ref().map_or(0, |lists| lists.by_model.len());
        f.debug_struct("Few").field("models", &models).finish()
    }
}

// ===== impl Among =====

impl<T, V: View<T>> View<T> for Among<'_, V> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.view.len()
    }

    #[inline(always)]
    fn load(&self, index: usize) -> Option<u32> {
        self.view.load(index)
    }

    #[inline(always)]
    fn glance(&self, index: usize) -> Option<Glance> {
        self.view.glance(index)
    }

    #[inline(always)]
    fn rank(&self, index: usize) -> f32 {
        self.view.rank(index)
    }

    #[inline(always)]
    fn weight(&self, index: usize) -> f32 {
        self.view.weight(index)
    }

    #[inline(always)]
    fn endpoint(&self, index: usize) -> &Endpoint {
        self.view.endpoint(index)
    }

    #[inline(always)]
    fn state(&self, index: usize) -> &T {
        self.view.state(index)
    }

    #[inline(always)]
    fn joined(&self, index: usize) -> Timestamp {
        self.view.joined(index)
    }

    #[inline(always)]
    fn now(&self) -> Timestamp {
        self.view.now()
    }

    /// A random member, where one is asked for; otherwise a number.
    #[inline(always)]
    fn random(&self, below: usize) -> usize {
        if self.list.is_empty() || below != self.view.len() {
            return self.view.random(below);
        }
        self.list[self.view.random(self.list.len())] as usize
    }

    #[inline(always)]
    fn random_pair(&self, below: usize) -> (usize, usize) {
        if self.list.len() < 2 || below != self.view.len() {
            return self.view.random_pair(below);
        }
        let (first, second) = self.view.random_pair(self.list.len());
        (self.list[first] as usize, self.list[second] as usize)
    }

    #[inline(always)]
    fn version(&self) -> u64 {
        self.view.version()
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
