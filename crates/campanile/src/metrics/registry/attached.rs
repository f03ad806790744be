use std::{
    any::TypeId,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{
    collect::Collect,
    metrics::gathered::{Sample, Samples},
    sync::{Mutex, lock},
};

/// What is attached to a stage or an endpoint, one of each kind and name, in order of attachment.
#[derive(Default)]
pub(super) struct Attached(Mutex<Vec<Item>>);

#[derive(Clone)]
struct Item {
    kind: TypeId,
    name: &'static str,
    what: Arc<dyn Collect>,
}

// ===== impl Attached =====

impl Attached {
    /// Attaches it in the place of the one of its kind and name, if there is one.
    pub(super) fn attach<C: Collect + 'static>(&self, name: &'static str, what: C) {
        let item = Item {
            kind: TypeId::of::<C>(),
            name,
            what: Arc::new(what),
        };
        let same = |other: &mut Item| (other.kind, other.name) == (item.kind, item.name);
        let mut items = lock(&self.0);
        let gone: Vec<_> = items.extract_if(.., same).collect();
        items.push(item);
        drop(items);
        // After the lock: it may be anything.
        drop(gone);
    }

    /// What everything tells. Where two tell the same series, the one that was attached later is believed. What panics
    /// tells nothing, and keeps nobody else from telling.
    pub(super) fn collect(&self) -> Vec<Sample> {
        // Cloned, so that whatever they do they do without the lock.
        let items = lock(&self.0).clone();
        let mut samples = Samples::default();
        let mut gone = Vec::new();
        for item in items.iter().rev() {
            samples.name = item.name;
            let before = samples.all.len();
            // What was told before a panic is taken back, so nothing is left half done.
            let told = catch_unwind(AssertUnwindSafe(|| {
                let alive = item.what.is_alive();
                if alive {
                    item.what.collect(&mut samples);
                }
                alive
            }));
            match told {
                Ok(true) => {}
                Ok(false) => gone.push(Arc::clone(&item.what)),
                Err(_) => samples.all.truncate(before),
            }
        }
        if !gone.is_empty() {
            let is_gone = |item: &mut Item| gone.iter().any(|gone| Arc::ptr_eq(gone, &item.what));
            let items: Vec<_> = lock(&self.0).extract_if(.., is_gone).collect();
            drop(items);
        }
        samples.all
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} attached", lock(&self.0).len())
    }
}
