use std::{
    fmt,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{
    BackPressureHandle,
    shared::{Hold, Times},
};
use crate::{
    completion::{Completion, Observe},
    outcome::Outcome,
    protocol::{Followed, Protocol},
    rejection::{Rejection, RejectionKind},
    time::Timestamp,
};

/// A service whose calls are watched. See the [module](super).
// Owned types, said here once and for all: see `Followed`.
#[derive(Clone)]
pub struct BackPressure<S: 'static, P> {
    inner: S,
    protocol: P,
    handle: BackPressureHandle,
}

/// Times one call, and counts it when it ends.
pub struct Timed {
    hold: Hold,
    times: Times,
    refused: bool,
}

// ===== impl BackPressure =====

impl<S, P> BackPressure<S, P> {
    pub(super) const fn new(inner: S, protocol: P, handle: BackPressureHandle) -> Self {
        Self {
            inner,
            protocol,
            handle,
        }
    }

    /// The rule, for operators.
    #[must_use]
    pub fn handle(&self) -> BackPressureHandle {
        self.handle.clone()
    }
}

impl<S, P, Req> Service<Req> for BackPressure<S, P>
where
    S: Service<Req>,
    P: Protocol<Req, S::Response, S::Error>,
    Req: 'static,
{
    type Response = P::Response<Timed>;
    type Error = S::Error;
    type Future = Followed<S, P, Timed, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let now = Timestamp::now();
        let hold = self.handle.shared.hold();
        hold.look(now);
        // Before the call, which may panic.
        let completion = Completion::new(Timed::new(hold, now));
        let future = self.inner.call(request);
        Followed::new(future, completion, self.protocol.clone())
    }
}

impl<S: fmt::Debug, P> fmt::Debug for BackPressure<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackPressure")
            .field("inner", &self.inner)
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

// ===== impl Timed =====

impl Timed {
    #[inline]
    const fn new(hold: Hold, started: Timestamp) -> Self {
        Self {
            hold,
            times: Times {
                started,
                head: None,
                first_data: None,
            },
            refused: false,
        }
    }
}

impl Observe for Timed {
    #[inline]
    fn head(&mut self, now: Timestamp) {
        self.times.head = Some(now);
    }

    #[inline]
    fn data(&mut self, now: Timestamp, _units: u64) {
        self.times.first_data.get_or_insert(now);
    }

    /// Says nothing about the service; a refusal that shrank the limit it came from would bring about the next. One for a
    /// time-out is the service's own failure.
    fn refused(&mut self, rejection: &Rejection) {
        self.refused = rejection.kind() != RejectionKind::TimedOut;
    }

    #[inline]
    fn end(&mut self, now: Timestamp, outcome: Outcome) {
        if !self.refused {
            self.hold.count(&self.times, now, outcome);
        }
    }
}

impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed")
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}
