use std::{fmt, sync::OnceLock};

use foldhash::fast::RandomState;
use std::hash::BuildHasher;

/// Something for each model, by name, for the first so many models; what comes later shares one. Looking up takes no lock and
/// allocates nothing; nothing is ever taken out.
pub(super) struct ByModel<T> {
    /// Boxed: most of them stay empty.
    slots: Box<[OnceLock<Box<Entry<T>>>]>,
    others: T,
    hasher: RandomState,
}

struct Entry<T> {
    name: Box<str>,
    value: T,
}

/// How many slots are looked at for a name.
const PROBES: usize = 16;
/// Names that are longer are nobody's model.
const LONGEST: usize = 256;

// ===== impl ByModel =====

impl<T: Default> ByModel<T> {
    pub(super) fn new(models: usize) -> Self {
        Self {
            slots: (0..models.max(1)).map(|_| OnceLock::new()).collect(),
            others: T::default(),
            hasher: RandomState::default(),
        }
    }

    /// What there is for a model; `None` for one that is new.
    pub(super) fn get(&self, model: &str) -> Option<&T> {
        for slot in self.probe(model) {
            let entry = slot.get()?;
            if *entry.name == *model {
                return Some(&entry.value);
            }
        }
        Some(&self.others)
    }

    /// What there is for a model, made if it is new.
    pub(super) fn entry(&self, model: &str) -> &T {
        for slot in self.probe(model) {
            // Of two who fill it one wins, and the other looks at what that put there.
            let entry = slot.get_or_init(|| {
                Box::new(Entry {
                    name: model.into(),
                    value: T::default(),
                })
            });
            if *entry.name == *model {
                return &entry.value;
            }
        }
        &self.others
    }

    fn probe(&self, model: &str) -> impl Iterator<Item = &OnceLock<Box<Entry<T>>>> {
        let probes = if model.len() <= LONGEST {
            PROBES.min(self.slots.len())
        } else {
            0
        };
        let begin = (self.hasher.hash_one(model) as usize) % self.slots.len();
        let (before, from) = self.slots.split_at(begin);
        from.iter().chain(before).take(probes)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.iter().filter_map(OnceLock::get).count()
    }
}

impl<T: Default> fmt::Debug for ByModel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByModel")
            .field("models", &self.len())
            .field("most", &self.slots.len())
            .finish()
    }
}
