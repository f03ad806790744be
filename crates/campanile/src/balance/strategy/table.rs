use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;

/// How many versions are kept: as many priority tiers, each a pool of its own to the strategy within, share a strategy
/// without building anew at every change from one to the other.
const KEPT: usize = 4;

/// Tables that a strategy computes from a pool's members and weights, by [`View::version`](super::View::version).
///
/// Whoever finds that the version has changed builds the table; whoever comes meanwhile does without, or takes the
/// latest one of as many members. A look costs one load of an [`ArcSwap`], no lock and no count of references.
pub(super) struct Tables<T> {
    built: ArcSwap<Vec<Built<T>>>,
    building: AtomicBool,
}

struct Built<T> {
    version: u64,
    members: usize,
    table: Arc<T>,
}

/// Says that nobody builds any more, after a panic too.
struct Building<'a>(&'a AtomicBool);

// ===== impl Tables =====

impl<T> Tables<T> {
    /// Reads the table of `version`, which has `members`; `build` gets the latest one before it. `None` while another
    /// thread builds and no earlier table will do.
    #[inline]
    pub(super) fn with<R>(
        &self,
        version: u64,
        members: usize,
        build: impl FnOnce(Option<&T>) -> T,
        read: impl FnOnce(&T) -> R,
    ) -> Option<R> {
        let built = self.built.load();
        if let Some(found) = built.iter().find(|built| built.version == version) {
            return Some(read(&found.table));
        }
        self.build(&built, version, members, build, read)
    }

    #[cold]
    fn build<R>(
        &self,
        built: &[Built<T>],
        version: u64,
        members: usize,
        build: impl FnOnce(Option<&T>) -> T,
        read: impl FnOnce(&T) -> R,
    ) -> Option<R> {
        if self.building.swap(true, Ordering::Acquire) {
            let stale = built.iter().find(|built| built.members == members)?;
            return Some(read(&stale.table));
        }
        let _building = Building(&self.building);
        // Another thread may have built between the look and the turn.
        let built = self.built.load();
        let table = match built.iter().find(|built| built.version == version) {
            Some(found) => Arc::clone(&found.table),
            None => Arc::new(build(built.first().map(|built| &*built.table))),
        };
        let newest = Built {
            version,
            members,
            table: Arc::clone(&table),
        };
        let older = built
            .iter()
            .filter(|built| built.version != version)
            .take(KEPT - 1)
            .map(|built| Built {
                table: Arc::clone(&built.table),
                ..*built
            });
        self.built
            .store(Arc::new(std::iter::once(newest).chain(older).collect()));
        Some(read(&table))
    }
}

impl<T> Default for Tables<T> {
    fn default() -> Self {
        Self {
            built: ArcSwap::default(),
            building: AtomicBool::new(false),
        }
    }
}

impl<T> fmt::Debug for Tables<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let built = self.built.load();
        f.debug_list()
            .entries(built.iter().map(|built| built.version))
            .finish()
    }
}

// ===== impl Building =====

impl Drop for Building<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(all(test, not(campanile_loom)))]
mod tests {
    use super::*;

    #[test]
    fn builds_once_per_version_and_keeps_a_few() {
        let tables = Tables::default();
        let mut built = Vec::new();
        for version in [1, 1, 2, 1, 2, 3, 4, 5, 1] {
            let read = tables.with(
                version,
                3,
                |_| {
                    built.push(version);
                    version * 10
                },
                |table| *table,
            );
            assert_eq!(read, Some(version * 10));
        }
        assert_eq!(
            built,
            [1, 2, 3, 4, 5, 1],
            "1 fell out when four others were newer"
        );
    }

    #[test]
    fn does_not_wait_for_a_builder() {
        let tables = Tables::default();
        assert_eq!(tables.with(1, 3, |_| 'a', |table| *table), Some('a'));
        tables.with(
            2,
            3,
            |_| {
                // As a second thread would find it.
                assert_eq!(
                    tables.with(3, 3, |_| 'c', |table| *table),
                    Some('a'),
                    "as many members"
                );
                assert_eq!(
                    tables.with(3, 4, |_| 'c', |table| *table),
                    None,
                    "other members"
                );
                'b'
            },
            |_| (),
        );
        assert_eq!(tables.with(2, 3, |_| 'z', |table| *table), Some('b'));
    }

    #[test]
    fn a_panic_while_building_is_no_end() {
        let tables = Tables::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            tables.with(1, 1, |_| panic!("no table"), |table: &u8| *table)
        }));
        assert!(panicked.is_err());
        assert_eq!(tables.with(1, 1, |_| 7, |table| *table), Some(7));
    }
}
