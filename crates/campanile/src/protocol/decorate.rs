use std::fmt;

use super::Protocol;
use crate::{
    completion::{Completion, Observe},
    context::Context,
    cost::Cost,
    endpoint::LoadReport,
    outcome::Outcome,
    rejection::Rejection,
    time::Timestamp,
};

/// What a protocol that is another within says of a request's context: the same.
macro_rules! forward_context {
    () => {
        fn context<'a>(&self, request: &'a Req) -> Option<&'a Context> {
            self.inner.context(request)
        }

        fn context_mut<'a>(&self, request: &'a mut Req) -> Option<&'a mut Context> {
            self.inner.context_mut(request)
        }

        fn bytes(&self, request: &Req) -> u64 {
            self.inner.bytes(request)
        }
    };
}

/// A protocol with another estimate of cost: what the `cost` method of a layer makes.
#[derive(Clone, Copy)]
pub struct Costed<P, F> {
    inner: P,
    cost: F,
}

/// A protocol with reports of load on responses: what the `reports` method of the pool's layer makes.
#[derive(Clone, Copy)]
pub struct Reported<P, F> {
    inner: P,
    report: F,
}

// ===== impl Costed =====

impl<P, F> Costed<P, F> {
    /// Follows calls as `inner` does, and estimates their cost by `cost`.
    pub const fn new(inner: P, cost: F) -> Self {
        Self { inner, cost }
    }
}

impl<Req, Res, Err, P, F> Protocol<Req, Res, Err> for Costed<P, F>
where
    P: Protocol<Req, Res, Err>,
    F: Fn(&Req) -> Cost + Clone,
{
    type Response<O: Observe> = P::Response<O>;

    forward_context!();

    #[inline]
    fn cost(&self, request: &Req) -> Cost {
        (self.cost)(request)
    }

    fn report(&self, response: &Res) -> Option<LoadReport> {
        self.inner.report(response)
    }

    forward_answers!();
}

impl<P: fmt::Debug, F> fmt::Debug for Costed<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Costed").field(&self.inner).finish()
    }
}

// ===== impl Reported =====

impl<P, F> Reported<P, F> {
    /// Follows calls as `inner` does, and reads reports of load by `report`.
    pub const fn new(inner: P, report: F) -> Self {
        Self { inner, report }
    }
}

impl<Req, Res, Err, P, F> Protocol<Req, Res, Err> for Reported<P, F>
where
    P: Protocol<Req, Res, Err>,
    F: Fn(&Res) -> Option<LoadReport> + Clone,
{
    type Response<O: Observe> = P::Response<O>;

    forward_context!();

    fn cost(&self, request: &Req) -> Cost {
        self.inner.cost(request)
    }

    #[inline]
    fn report(&self, response: &Res) -> Option<LoadReport> {
        (self.report)(response)
    }

    forward_answers!();
}

impl<P: fmt::Debug, F> fmt::Debug for Reported<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reported").field(&self.inner).finish()
    }
}
