use std::sync::atomic::{AtomicU64, Ordering};

use super::{Pick, Strategy, View, hash::GOLDEN, sample, table::Tables};

/// How often a turn that fell to a closed member is drawn anew before the open ones are walked through.
const DRAWS: usize = 16;

/// Shares of the traffic exactly by weight.
///
/// Turns follow the golden ratio's low-discrepancy sequence: turn `i` falls at the fraction `i φ` of the weights' sum,
/// so after any number of turns each member is within a few calls of its share, where random picks stray by the square
/// root of the number (van der Corput; Weyl). Weights of 99, 0.5 and 0.5 give 9,900, 50 and 50 of 10,000 calls.
///
/// A turn of a closed member is drawn anew, so its share goes to the others in proportion to their weights. A pick
/// costs one search in a table of sums, logarithmic in the pool's size, and no lock; the table is built anew by the
/// first pick after members or weights have changed. When most of the weight is closed, a pick walks through all
/// members. The number of turns is one atomic counter, a cache line that every pick writes. The sequence starts at a
/// random place, so that many clients do not go in step.
///
/// ```
/// use campanile::balance::{BalanceLayer, Weighted};
///
/// let layer = BalanceLayer::new(Weighted::new());
/// # let _ = layer;
/// ```
#[derive(Debug, Default)]
pub struct Weighted {
    turn: AtomicU64,
    tables: Tables<Shares>,
}

struct Shares {
    /// The sum of the weights up to each member, itself included.
    sums: Box<[f64]>,
    start: u64,
}

// ===== impl Weighted =====

impl Weighted {
    /// Shares by weight.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Strategy for Weighted {
    type State = ();
}

impl<Req> Pick<Req> for Weighted {
    #[inline]
    fn pick<V: View<()>>(&self, view: &V, _request: &Req) -> Option<usize> {
        if view.is_empty() {
            return None;
        }
        self.tables
            .with(
                view.version(),
                view.len(),
                |earlier| Shares::new(view, earlier),
                |shares| shares.draw(view, &self.turn),
            )
            .flatten()
            .or_else(|| walk(view))
    }
}

// ===== impl Shares =====

impl Shares {
    fn new<T, V: View<T>>(view: &V, earlier: Option<&Self>) -> Self {
        let mut sum = 0.0;
        Self {
            sums: (0..view.len())
                .map(|index| {
                    sum += f64::from(view.weight(index));
                    sum
                })
                .collect(),
            start: earlier.map_or_else(
                || (view.random(usize::MAX) as u64).rotate_left(32),
                |shares| shares.start,
            ),
        }
    }

    #[inline]
    fn draw<T, V: View<T>>(&self, view: &V, turn: &AtomicU64) -> Option<usize> {
        let total = *self.sums.last()?;
        (0..DRAWS).find_map(|_| {
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            let place = turn.wrapping_mul(GOLDEN).wrapping_add(self.start);
            let target = fraction(place) * total;
            let index = self
                .sums
                .partition_point(|sum| *sum <= target)
                .min(self.sums.len() - 1);
            view.load(index).map(|_| index)
        })
    }
}

/// `place` of 2^64 as a number from 0 to below 1.
#[inline]
fn fraction(place: u64) -> f64 {
    (place >> 11) as f64 * (0.5_f64).powi(53)
}

/// Draws among the open members by weight, whatever it takes.
#[cold]
fn walk<T, V: View<T>>(view: &V) -> Option<usize> {
    let open = || {
        (0..view.len())
            .filter(|index| view.load(*index).is_some())
            .map(|index| (index, f64::from(view.weight(index))))
    };
    let total: f64 = open().map(|(_, weight)| weight).sum();
    let mut left = total * (view.random(1 << 30) as f64 / f64::from(1 << 30));
    open()
        .find(|(_, weight)| {
            left -= weight;
            left < 0.0
        })
        .map(|(index, _)| index)
        // All closed, or closed meanwhile, or the rounding of the last one.
        .or_else(|| sample(view))
}
