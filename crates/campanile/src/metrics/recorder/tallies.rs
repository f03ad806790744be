//! One of each distribution.

use super::{
    pages::Pages,
    record::{self, GAPS, KINDS, Mark, Record, WAIT},
};
use crate::metrics::{Distributions, Histogram};

/// One of each distribution that is kept, in whatever form.
#[derive(Debug, Clone, Default)]
pub(in crate::metrics) struct Tallies<T> {
    pub(in crate::metrics) head: T,
    pub(in crate::metrics) first_data: T,
    pub(in crate::metrics) between_data: T,
    pub(in crate::metrics) total: T,
    pub(in crate::metrics) failed: T,
    pub(in crate::metrics) wait: T,
}

// ===== impl Tallies =====

impl<T> Tallies<T> {
    pub(super) const fn each(&self) -> [&T; 6] {
        [
            &self.head,
            &self.first_data,
            &self.between_data,
            &self.total,
            &self.failed,
            &self.wait,
        ]
    }

    pub(super) const fn each_mut(&mut self) -> [&mut T; 6] {
        [
            &mut self.head,
            &mut self.first_data,
            &mut self.between_data,
            &mut self.total,
            &mut self.failed,
            &mut self.wait,
        ]
    }
}

impl<T: Clone> Tallies<T> {
    /// The same as that, in the memory that is there.
    pub(super) fn copy(&mut self, other: &Self) {
        for (into, from) in self.each_mut().into_iter().zip(other.each()) {
            into.clone_from(from);
        }
    }
}

impl Tallies<Pages> {
    pub(super) const fn new() -> Self {
        Self {
            head: Pages::new(),
            first_data: Pages::new(),
            between_data: Pages::new(),
            total: Pages::new(),
            failed: Pages::new(),
            wait: Pages::new(),
        }
    }

    /// Counts the times of a record.
    #[inline]
    pub(super) fn count(&mut self, record: Record) {
        let [first, second, mut third] = record.marks();
        if record.waited() {
            count(&mut self.wait, third);
            third = Mark::NONE;
        }
        match record.kind() {
            GAPS => {
                for gap in [first, second, third] {
                    count(&mut self.between_data, gap);
                }
            }
            WAIT => count(&mut self.wait, first),
            kind if record::is_success(kind) => {
                count(&mut self.total, first);
                count(&mut self.head, second);
                count(&mut self.first_data, third);
            }
            kind if record::is_failed(kind) => count(&mut self.failed, first),
            _ => {}
        }
    }
}

impl Tallies<Histogram> {
    /// As it is told, but for the span.
    pub(super) fn tell(self, counts: &[u64; KINDS]) -> Distributions {
        Distributions {
            outcomes: record::outcomes(counts),
            span: std::time::Duration::ZERO,
            head: self.head,
            first_data: self.first_data,
            between_data: self.between_data,
            total: self.total,
            failed: self.failed,
            wait: self.wait,
        }
    }
}

#[inline]
fn count(pages: &mut Pages, mark: Mark) {
    if mark.is_some() {
        pages.count(mark.0 - 1);
    }
}
