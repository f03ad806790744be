use std::{fmt, hash::Hash};

/// Which requests may travel together: those of equal keys.
pub trait KeyOf<Req> {
    /// What tells them apart.
    type Key: Hash + Eq + Clone + Send + 'static;

    /// The key of a request.
    fn key(&self, request: &Req) -> Self::Key;
}

/// All requests travel together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Together;

/// Requests travel together by what a function says: what [`BatchLayer::key`](super::BatchLayer::key) makes.
#[derive(Clone, Copy)]
pub struct By<F>(pub(super) F);

// ===== impl KeyOf =====

impl<Req> KeyOf<Req> for Together {
    type Key = ();

    #[inline]
    fn key(&self, _request: &Req) {}
}

impl<Req, K, F> KeyOf<Req> for By<F>
where
    F: Fn(&Req) -> K,
    K: Hash + Eq + Clone + Send + 'static,
{
    type Key = K;

    #[inline]
    fn key(&self, request: &Req) -> K {
        (self.0)(request)
    }
}

impl<F> fmt::Debug for By<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("By")
    }
}
