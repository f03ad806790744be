use super::{Pick, Strategy, View, sample};

/// A random open member, all alike. For shares by weight, [`Weighted`](super::Weighted).
///
/// No memory and no shared state: a baseline, and what is left when nothing is known. Load is as uneven as chance.
#[derive(Debug, Clone, Copy, Default)]
pub struct Random;

// ===== impl Random =====

impl Strategy for Random {
    type State = ();
}

impl<Req> Pick<Req> for Random {
    #[inline]
    fn pick<V: View<()>>(&self, view: &V, _request: &Req) -> Option<usize> {
        sample(view)
    }
}
