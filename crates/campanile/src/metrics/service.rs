use std::{
    fmt,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{Recorder, Recording};
use crate::{
    completion::Completion,
    protocol::{Followed, Protocol},
    time::Timestamp,
};

#[cfg(all(test, feature = "testing", not(campanile_loom)))]
mod tests;

/// A service whose calls are recorded. See the [module](super).
// Owned types, said here once and for all: where a call is made it would be asked of every error type anew for each
// lifetime, and an async block over a boxed error would not be `Send`.
#[derive(Clone)]
pub struct Measured<S: 'static, P> {
    inner: S,
    protocol: P,
    recorder: Recorder,
    stamp: bool,
}

// ===== impl Measured =====

impl<S, P> Measured<S, P> {
    pub(super) const fn new(inner: S, protocol: P, recorder: Recorder, stamp: bool) -> Self {
        Self {
            inner,
            protocol,
            recorder,
            stamp,
        }
    }

    /// What records the calls.
    #[must_use]
    pub const fn recorder(&self) -> &Recorder {
        &self.recorder
    }
}

impl<S, P, Req> Service<Req> for Measured<S, P>
where
    S: Service<Req>,
    P: Protocol<Req, S::Response, S::Error>,
    Req: 'static,
{
    type Response = P::Response<Recording>;
    type Error = S::Error;
    type Future = Followed<S, P, Recording, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, mut request: Req) -> Self::Future {
        let now = Timestamp::now();
        let mut recording = self.recorder.begin(now);
        if let Some(context) = self.protocol.context(&request) {
            recording.context(context);
        }
        recording.sent(self.protocol.bytes(&request));
        // Before the call, which may panic.
        let completion = Completion::new(recording);
        if self.stamp
            && let Some(context) = self.protocol.context_mut(&mut request)
        {
            context.queued_since.get_or_insert(now);
        }
        let future = self.inner.call(request);
        Followed::new(future, completion, self.protocol.clone())
    }
}

impl<S: fmt::Debug, P> fmt::Debug for Measured<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measured")
            .field("inner", &self.inner)
            .field("recorder", &self.recorder)
            .finish_non_exhaustive()
    }
}
