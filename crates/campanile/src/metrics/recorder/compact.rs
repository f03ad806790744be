//! Counts of buckets, in little room.

use super::{pages::Pages, tallies::Tallies};

/// Counts that are seldom added to: of each bucket that is not empty its count, and how far it lies behind the one before
/// unless that is its neighbour, as most are; both in as many groups of seven bits as they need. One to three bytes a bucket.
#[derive(Debug)]
pub(super) struct Compact(Vec<u8>);

/// The lowest bit of a number with a count: how far ahead its bucket is follows.
const APART: u64 = 1;

// ===== impl Compact =====

impl Compact {
    pub(super) const EMPTY: Self = Self(Vec::new());

    /// Adds those counts.
    pub(super) fn add(&mut self, pages: &Pages) {
        if pages.is_empty() {
            return;
        }
        let mut sum = Writer::default();
        let mut past = self.iter().peekable();
        Pages::sum(std::iter::once(pages), |bucket, count| {
            while let Some(before) = past.next_if(|before| before.0 < bucket) {
                sum.push(before);
            }
            let same = past.next_if(|same| same.0 == bucket);
            sum.push((bucket, count + same.map_or(0, |same| same.1)));
        });
        past.for_each(|behind| sum.push(behind));
        sum.bytes.shrink_to_fit();
        self.0 = sum.bytes;
    }

    /// Each bucket that is not empty, and its count, in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, u64)> {
        let (mut bytes, mut bucket) = (self.0.iter().copied(), 0);
        std::iter::from_fn(move || {
            let count = read(&mut bytes)?;
            let ahead = if count & APART == 0 {
                1
            } else {
                read(&mut bytes)?
            };
            #[allow(clippy::cast_possible_truncation)] // a bucket, as it was written
            {
                bucket += ahead as u16;
            }
            Some((bucket, count >> 1))
        })
    }

    /// What lies elsewhere for it, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.0.capacity()
    }
}

impl Tallies<Compact> {
    pub(super) const NONE: Self = Self {
        head: Compact::EMPTY,
        first_data: Compact::EMPTY,
        between_data: Compact::EMPTY,
        total: Compact::EMPTY,
        failed: Compact::EMPTY,
        wait: Compact::EMPTY,
    };
}

impl Clone for Compact {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }

    /// Into the memory that is there.
    fn clone_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }
}

/// Writes counts of buckets in ascending order.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    before: u16,
}

// ===== impl Writer =====

impl Writer {
    fn push(&mut self, (bucket, count): (u16, u64)) {
        let ahead = bucket - self.before;
        if ahead == 1 {
            write(&mut self.bytes, count << 1);
        } else {
            write(&mut self.bytes, count << 1 | APART);
            write(&mut self.bytes, ahead.into());
        }
        self.before = bucket;
    }
}

/// Writes a number, the lowest bits first; the highest bit of a byte says that there are more.
fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[inline]
fn read(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes.next()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
        shift += 7;
    }
}
