//! Which of several accounts, buckets or the like a request is counted in.

use std::{fmt, sync::Arc};

use crate::context::Context;

/// Which bucket, account or the like a request is counted in.
pub trait KeyOf<Req, K>: Clone {
    /// The key of a request, with its context if it has one.
    fn key(&self, request: &Req, context: Option<&Context>) -> K;
}

/// All requests are counted together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Together;

/// Requests are counted by tenant; those without one together.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByTenant;

/// Requests are counted by what a function says.
#[derive(Clone, Copy)]
pub struct By<F>(pub(crate) F);

// ===== impl KeyOf =====

impl<Req> KeyOf<Req, ()> for Together {
    #[inline]
    fn key(&self, _request: &Req, _context: Option<&Context>) {}
}

impl<Req> KeyOf<Req, Option<Arc<str>>> for ByTenant {
    #[inline]
    fn key(&self, _request: &Req, context: Option<&Context>) -> Option<Arc<str>> {
        context?.tenant.clone()
    }
}

impl<Req, K, F> KeyOf<Req, K> for By<F>
where
    F: Fn(&Req) -> K + Clone,
{
    #[inline]
    fn key(&self, request: &Req, _context: Option<&Context>) -> K {
        (self.0)(request)
    }
}

impl<F> fmt::Debug for By<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("By")
    }
}
