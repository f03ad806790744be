use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Pick, Strategy, View};

/// Each open member in turn. Weights are ignored: see [`Weighted`](super::Weighted).
///
/// Turns are exact, also while members are closed: the next turn goes to the next open member after the last one that
/// had a turn, so the neighbour of a closed member gets no double share. A turn walks over the closed members between,
/// which makes a whole round cost one look at each member.
///
/// The place is one atomic number for the whole pool, and every pick writes it: its cache line moves between cores,
/// which costs tens of nanoseconds under contention. There is no lock. For a pick that writes nothing,
/// [`Random`](super::Random).
#[derive(Debug, Default)]
pub struct RoundRobin {
    next: AtomicUsize,
}

// ===== impl RoundRobin =====

impl RoundRobin {
    /// Begins with the first member.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            next: AtomicUsize::new(0),
        }
    }
}

impl Strategy for RoundRobin {
    type State = ();
}

impl<Req> Pick<Req> for RoundRobin {
    #[inline]
    fn pick<V: View<()>>(&self, view: &V, _request: &Req) -> Option<usize> {
        let len = view.len();
        let mut next = self.next.load(Ordering::Relaxed);
        loop {
            let from = if next < len { next } else { 0 };
            let index = (from..len)
                .chain(0..from)
                .find(|index| view.load(*index).is_some())?;
            // Who loses the race looks for the turn after the winner's.
            match self.next.compare_exchange_weak(
                next,
                index + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(index),
                Err(now) => next = now,
            }
        }
    }
}
