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

/// Where a model is, for good: looked up once in a call, and not at each end of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u32);

/// How many slots are looked at for a name.
const PROBES: usize = 16;
/// Names that are longer are nobody's model.
const LONGEST: usize = 256;

// ===== impl Place =====

impl Place {
    /// Where those are that share.
    const OTHERS: Self = Self(u32::MAX);

    const fn of(slot: usize) -> Self {
        Self(slot as u32)
    }
}

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
        self.find(model).map(|place| self.at(place))
    }

    /// What there is for a model, made if it is new.
    pub(super) fn entry(&self, model: &str) -> &T {
        self.at(self.place(model))
    }

    /// What there is at a place.
    pub(super) fn at(&self, place: Place) -> &T {
        let slot = self.slots.get(place.0 as usize);
        slot.and_then(OnceLock::get)
            .map_or(&self.others, |entry| &entry.value)
    }

    /// Whose place it is; `None` where that is shared.
    pub(super) fn name(&self, place: Place) -> Option<&str> {
        let entry = self.slots.get(place.0 as usize).and_then(OnceLock::get)?;
        Some(&entry.name)
    }

    /// Where a model is; `None` for one that is new.
    pub(super) fn find(&self, model: &str) -> Option<Place> {
        for index in self.probe(model) {
            let entry = self.slots[index].get()?;
            if *entry.name == *model {
                return Some(Place::of(index));
            }
        }
        Some(Place::OTHERS)
    }

    /// Where a model is from now on, if it is new.
    pub(super) fn place(&self, model: &str) -> Place {
        for index in self.probe(model) {
            // Of two who fill it one wins, and the other looks at what that put there.
            let entry = self.slots[index].get_or_init(|| {
                Box::new(Entry {
                    name: model.into(),
                    value: T::default(),
                })
            });
            if *entry.name == *model {
                return Place::of(index);
            }
        }
        Place::OTHERS
    }

    fn probe(&self, model: &str) -> impl Iterator<Item = usize> + use<T> {
        let slots = self.slots.len();
        let probes = if model.len() <= LONGEST {
            PROBES.min(slots)
        } else {
            0
        };
        // By the upper half of a product, which is cheaper than the rest of a division.
        let hash = self.hasher.hash_one(model) >> 32;
        let begin = ((hash * slots as u64) >> 32) as usize;
        (begin..begin + probes).map(
            move |index| {
                if index < slots { index } else { index - slots }
            },
        )
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
