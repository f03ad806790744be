//! Counts of buckets, close at hand.

use crate::metrics::histogram::bucket::BUCKETS;

/// Buckets of a page: as many as fill a cache line.
const PAGE: usize = 16;
/// Pages of all buckets.
pub(super) const PAGES: usize = BUCKETS as usize / PAGE + 1;
const _: () = assert!(PAGES <= u128::BITS as usize);

/// Counts, in pages for those buckets that something fell into.
#[derive(Debug)]
pub(super) struct Pages {
    /// Which pages there are, a bit for each.
    used: u128,
    /// The place of each page, and one; zero where there is none.
    places: [u8; PAGES],
    pages: Vec<[u32; PAGE]>,
    /// Buckets each time that they were full.
    full: Vec<u16>,
}

// ===== impl Pages =====

impl Pages {
    pub(super) const fn new() -> Self {
        Self {
            used: 0,
            places: [0; PAGES],
            pages: Vec::new(),
            full: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn count(&mut self, bucket: u16) {
        let (page, at) = (usize::from(bucket) / PAGE, usize::from(bucket) % PAGE);
        let place = match self.places[page] {
            0 => self.make(page),
            place => usize::from(place) - 1,
        };
        let count = &mut self.pages[place][at];
        *count = count.wrapping_add(1);
        if *count == 0 {
            self.full.push(bucket);
        }
    }

    #[cold]
    #[allow(clippy::cast_possible_truncation)] // at most 128 pages
    fn make(&mut self, page: usize) -> usize {
        self.pages.push([0; PAGE]);
        self.places[page] = self.pages.len() as u8;
        self.used |= 1 << page;
        self.pages.len() - 1
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Forgets all counts, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.used = 0;
        self.places = [0; PAGES];
        self.pages.clear();
        self.full.clear();
    }

    /// Tells each bucket of several that is not empty, and its count in all of them, in ascending order.
    pub(super) fn sum<'a>(
        several: impl Iterator<Item = &'a Self> + Clone,
        mut tell: impl FnMut(u16, u64),
    ) {
        let mut used = several.clone().fold(0, |used, pages| used | pages.used);
        while used != 0 {
            let page = used.trailing_zeros() as usize;
            used &= used - 1;
            let mut counts = [0; PAGE];
            for pages in several.clone() {
                let Some(place) = usize::from(pages.places[page]).checked_sub(1) else {
                    continue;
                };
                for (sum, count) in counts.iter_mut().zip(&pages.pages[place]) {
                    *sum += u64::from(*count);
                }
                for bucket in &pages.full {
                    if usize::from(*bucket) / PAGE == page {
                        counts[usize::from(*bucket) % PAGE] += 1 << u32::BITS;
                    }
                }
            }
            for (at, count) in counts.into_iter().enumerate() {
                if count > 0 {
                    #[allow(clippy::cast_possible_truncation)] // below `BUCKETS`
                    tell((page * PAGE + at) as u16, count);
                }
            }
        }
    }

    /// What lies elsewhere for it, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.pages.capacity() * size_of::<[u32; PAGE]>() + self.full.capacity() * size_of::<u16>()
    }
}

impl Clone for Pages {
    fn clone(&self) -> Self {
        Self {
            used: self.used,
            places: self.places,
            pages: self.pages.clone(),
            full: self.full.clone(),
        }
    }

    /// Into the memory that is there.
    fn clone_from(&mut self, other: &Self) {
        self.used = other.used;
        self.places = other.places;
        self.pages.clone_from(&other.pages);
        self.full.clone_from(&other.full);
    }
}
