use super::{Glance, Pick, Strategy, View, sample_least, scan_least};

/// The fewest calls in flight by weight: of two random members, or of all.
///
/// Two choices cost the same in a pool of any size, and keep the longest queue near log log n of the members' number
/// (Azar et al.; Mitzenmacher, "The power of two choices"). The full scan is exact and costs in proportion to the pool.
/// Blind to speed: where endpoints differ, [`Ebw`](super::Ebw) does better.
#[derive(Debug, Clone, Copy)]
pub struct LeastLoaded {
    scan: bool,
}

// ===== impl LeastLoaded =====

impl LeastLoaded {
    /// The better of two random members.
    #[must_use]
    pub const fn two_choices() -> Self {
        Self { scan: false }
    }

    /// The best of all members.
    #[must_use]
    pub const fn full_scan() -> Self {
        Self { scan: true }
    }
}

impl Default for LeastLoaded {
    fn default() -> Self {
        Self::two_choices()
    }
}

impl Strategy for LeastLoaded {
    type State = ();
}

impl<Req> Pick<Req> for LeastLoaded {
    #[inline(always)]
    fn pick<V: View<()>>(&self, view: &V, _request: &Req) -> Option<usize> {
        let score = |_, seen: Glance| (seen.load + 1) as f32 / seen.weight;
        if self.scan {
            scan_least(view, score)
        } else {
            sample_least(view, 2, score)
        }
    }
}
