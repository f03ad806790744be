//! The latest calls.

use super::{
    record::{self, KINDS, Mark, Record, Tick},
    tallies::Tallies,
};
use crate::metrics::{Distributions, Histogram};

/// How many calls lie between two whose times are kept.
const STRIDE: usize = 8;

/// The latest calls, five bytes each, the oldest overwritten first.
#[derive(Debug, Clone)]
pub(super) struct Latest {
    limit: usize,
    calls: Vec<[u8; 5]>,
    /// Of each eighth call.
    times: Vec<Tick>,
    next: usize,
}

// ===== impl Latest =====

impl Latest {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            calls: Vec::new(),
            times: Vec::new(),
            next: 0,
        }
    }

    /// When the oldest call ended, or one at most seven calls later; `None` where every call is here.
    pub(super) fn oldest(&self) -> Option<Tick> {
        if self.calls.len() < self.limit {
            return None;
        }
        let place = self.next.div_ceil(STRIDE);
        self.times.get(place).or(self.times.first()).copied()
    }

    /// Takes a call, unless it is older than all that are here: another thread's, fetched late.
    #[inline]
    pub(super) fn push(&mut self, call: Record, tick: Tick) {
        if self.calls.len() < self.limit {
            self.grow(call, tick);
        } else if self.oldest().is_some_and(|oldest| tick >= oldest) {
            self.calls[self.next] = call.body();
            if self.next.is_multiple_of(STRIDE) {
                self.times[self.next / STRIDE] = tick;
            }
        } else {
            return;
        }
        self.next += 1;
        if self.next == self.limit {
            self.next = 0;
        }
    }

    fn grow(&mut self, call: Record, tick: Tick) {
        if self.next.is_multiple_of(STRIDE) {
            if self.times.capacity() == self.times.len() {
                // By a half, so that little is left over.
                let more = (self.calls.len() / 2 + 1).next_multiple_of(STRIDE);
                let more = more.min(self.limit - self.calls.len());
                self.calls.reserve_exact(more);
                self.times.reserve_exact(more.div_ceil(STRIDE));
            }
            self.times.push(tick);
        }
        self.calls.push(call.body());
    }

    /// What there is to tell, but for the span.
    pub(super) fn distributions(&self) -> Distributions {
        let mut counts = [0; KINDS];
        // Total, head and first data of those that succeeded, and what failed ones took.
        let mut marks: [Vec<u16>; 4] = Default::default();
        for call in &self.calls {
            let call = Record::from_body(*call);
            counts[usize::from(call.kind())] += 1;
            let mut times = call.marks();
            if call.waited() {
                times[2] = Mark::NONE;
            }
            if record::is_success(call.kind()) {
                for (marks, mark) in marks.iter_mut().zip(times) {
                    marks.push(mark.0);
                }
            } else if record::is_failed(call.kind()) {
                marks[3].push(times[0].0);
            }
        }
        let [total, head, first_data, failed] = marks.map(histogram);
        let tallies = Tallies {
            head,
            first_data,
            total,
            failed,
            ..Tallies::default()
        };
        tallies.tell(&counts)
    }

    /// What lies elsewhere for it, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.calls.capacity() * size_of::<[u8; 5]>() + self.times.capacity() * size_of::<Tick>()
    }
}

/// Of marks, some of which may be none.
fn histogram(mut marks: Vec<u16>) -> Histogram {
    marks.sort_unstable();
    let mut histogram = Histogram::default();
    for same in marks.chunk_by(|one, next| one == next) {
        if let Some(bucket) = same[0].checked_sub(1) {
            histogram.push(bucket, same.len() as u64);
        }
    }
    histogram
}
