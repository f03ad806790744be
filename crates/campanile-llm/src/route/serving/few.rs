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
use campanile::balance::View;

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

// ===== impl Few =====

impl Few {
    /// Reads by the list of those that serve a model; by an empty one where chance finds them.
    pub(super) fn among<T: 'static, V: View<ServingState<T>>, R>(
        &self,
        view: &V,
        table: &Table,
        model: Option<u32>,
        read: impl FnOnce(&[u32]) -> R,
    ) -> R {
        let Some(model) = model.filter(|_| view.len() >= LARGE) else {
            return read(&[]);
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
        read(list.map_or(&[], |list| &list[..]))
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
