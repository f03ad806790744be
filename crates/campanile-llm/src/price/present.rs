//! The present table of prices, and how a thread looks at it without writing to memory that others share.

use std::{
    cell::RefCell,
    ptr,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;

use super::Table;

/// A table of prices that is replaced as a whole.
///
/// # Correctness
///
/// The table is written before the version. Whoever sees the new version sees the new table; who sees the old one may have
/// either, and keeps it under that version until it sees the new one. So a table is never kept beyond the version after it, and
/// who looks after a replacement sees what was put there.
#[derive(Debug, Default)]
pub(super) struct Present {
    table: ArcSwap<Table>,
    version: AtomicU64,
}

/// What a thread saw last: two calls look prices up, and to count a table's users in shared memory costs more than to look.
#[derive(Debug)]
struct Seen {
    /// Not held, so that prices which nobody uses go, but for a table here and there.
    of: Weak<Present>,
    version: u64,
    table: Arc<Table>,
}

/// How many a thread remembers. Those beyond are looked up each time.
const SEEN: usize = 4;

thread_local! {
    static LAST: RefCell<[Option<Seen>; SEEN]> = const { RefCell::new([const { None }; SEEN]) };
}

// ===== impl Present =====

impl Present {
    pub(super) fn new(table: Table) -> Self {
        Self {
            table: ArcSwap::from_pointee(table),
            version: AtomicU64::new(0),
        }
    }

    pub(super) fn replace(&self, table: Table) {
        self.table.store(Arc::new(table));
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Looks at the table.
    #[inline]
    pub(super) fn look<T>(self: &Arc<Self>, look: impl FnOnce(&Table) -> T) -> T {
        let mut look = Some(look);
        // Not where a thread ends, nor within a look.
        let seen = LAST.try_with(|last| {
            let mut last = last.try_borrow_mut().ok()?;
            let table = self.seen(&mut last)?;
            look.take().map(|look| look(table))
        });
        match (seen, look) {
            (Ok(Some(seen)), _) => seen,
            (_, Some(look)) => look(&self.table.load()),
            (_, None) => unreachable!("a look has an answer"),
        }
    }

    /// The table as this thread knows it, which is brought up to date.
    #[inline]
    fn seen<'a>(self: &Arc<Self>, last: &'a mut [Option<Seen>; SEEN]) -> Option<&'a Table> {
        let version = self.version.load(Ordering::Acquire);
        let mine = |seen: &Option<Seen>| {
            let of = seen.as_ref().map(|seen| seen.of.as_ptr());
            of.is_some_and(|of| ptr::eq(of, Arc::as_ptr(self)))
        };
        let index = match last.iter().position(mine) {
            Some(index) => index,
            None => self.enter(last, version)?,
        };
        let seen = last.get_mut(index)?.as_mut()?;
        if seen.version != version {
            self.update(seen, version);
        }
        Some(&seen.table)
    }

    #[cfg(test)]
    pub(super) fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }

    #[cold]
    fn update(&self, seen: &mut Seen, version: u64) {
        seen.table = self.table.load_full();
        seen.version = version;
    }

    /// Remembers the table, if there is room.
    #[cold]
    fn enter(self: &Arc<Self>, last: &mut [Option<Seen>; SEEN], version: u64) -> Option<usize> {
        let free = |seen: &Option<Seen>| {
            let of = seen.as_ref().map(|seen| &seen.of);
            of.is_none_or(|of| of.strong_count() == 0)
        };
        let index = last.iter().position(free)?;
        last[index] = Some(Seen {
            of: Arc::downgrade(self),
            version,
            table: self.table.load_full(),
        });
        Some(index)
    }
}
