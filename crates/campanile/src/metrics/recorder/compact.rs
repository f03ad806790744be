//! Counts of buckets, in little room.

use super::pages::Pages;
use crate::metrics::Histogram;

/// Counts that are seldom added to: of each bucket that is not empty how far it lies behind the one before, and its count;
/// both in as many groups of seven bits as they need. Two or three bytes a bucket.
#[derive(Debug, Clone)]
pub(super) struct Compact(Vec<u8>);

// ===== impl Compact =====

impl Compact {
    pub(super) const EMPTY: Self = Self(Vec::new());

    /// Adds those counts.
    pub(super) fn add(&mut self, pages: &Pages) {
        let mut sum = Histogram::default();
        Pages::sum(std::iter::once(pages), |bucket, count| {
            sum.push(bucket, count);
        });
        if !sum.is_empty() {
            sum.merge(&self.histogram());
            *self = Self::new(&sum);
        }
    }

    fn new(histogram: &Histogram) -> Self {
        let mut bytes = Vec::new();
        let mut before = 0;
        for (bucket, count) in histogram.buckets() {
            write(&mut bytes, u64::from(bucket - before));
            write(&mut bytes, count);
            before = bucket;
        }
        bytes.shrink_to_fit();
        Self(bytes)
    }

    pub(super) fn histogram(&self) -> Histogram {
        let mut histogram = Histogram::default();
        let (mut bytes, mut bucket) = (self.0.iter().copied(), 0);
        while let Some(ahead) = read(&mut bytes) {
            #[allow(clippy::cast_possible_truncation)] // a bucket, as it was written
            {
                bucket += ahead as u16;
            }
            histogram.push(bucket, read(&mut bytes).unwrap_or_default());
        }
        histogram
    }

    /// What lies elsewhere for it, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.0.capacity()
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
