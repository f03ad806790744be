//! How often what costs money may run. No clock.

use std::{collections::VecDeque, time::Duration};

use crate::time::Timestamp;

#[cfg(test)]
mod tests;

const HOUR: Duration = Duration::from_secs(60 * 60);
const QUARTER: Duration = Duration::from_secs(15 * 60);

/// So many in any hour, and no more than a quarter of them (rounded up) in any quarter of an hour: what joins together
/// does not leave the others unchecked for the rest of the hour.
///
/// It keeps the time of each, which makes it exact where a bucket that refills would let through up to twice as many.
#[derive(Debug)]
pub(super) struct Cap {
    per_hour: usize,
    per_quarter: usize,
    /// Those of the latest hour, the oldest first.
    taken: VecDeque<Timestamp>,
}

// ===== impl Cap =====

impl Cap {
    pub(super) fn new(per_hour: u32) -> Self {
        Self {
            per_hour: per_hour as usize,
            per_quarter: per_hour.div_ceil(4) as usize,
            taken: VecDeque::new(),
        }
    }

    /// From when on there is one more.
    pub(super) fn free_at(&self) -> Timestamp {
        let after = |number: usize, time| {
            let place = self.taken.len().checked_sub(number);
            let taken = place.and_then(|place| self.taken.get(place));
            taken.map_or(Timestamp::ZERO, |taken| taken.after(time))
        };
        after(self.per_hour, HOUR).max(after(self.per_quarter, QUARTER))
    }

    /// Takes one, unless there is none.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        if self.free_at() > now {
            return false;
        }
        while self
            .taken
            .front()
            .is_some_and(|taken| taken.after(HOUR) <= now)
        {
            self.taken.pop_front();
        }
        self.taken.push_back(now);
        true
    }
}
