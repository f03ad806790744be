use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tower_service::Service;

use super::{LoadShedConfig, ResponseFuture};
use crate::{
    context::Priority,
    protocol::{Protocol, Unary},
    rejection::{Rejection, RejectionKind},
};

/// A service that refuses at once what it cannot serve now. See the [module](super).
pub struct LoadShed<S, P = Unary> {
    inner: S,
    protocol: P,
    shared: Arc<Shared>,
    /// Of an instance that is kept: whether it was ready.
    ready: bool,
}

/// How many calls were refused up to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShedCounts {
    /// Because the service was not ready.
    pub not_ready: u64,
    /// Because the utilisation was too high for their priority.
    pub by_priority: u64,
}

/// The utilisation.
pub(super) type Signal = Arc<dyn Fn() -> f64 + Send + Sync>;

/// When to come back.
pub(super) type Hint = Arc<dyn Fn() -> Option<Duration> + Send + Sync>;

struct Shared {
    config: LoadShedConfig,
    signal: Option<Signal>,
    hint: Option<Hint>,
    not_ready: AtomicU64,
    by_priority: AtomicU64,
}

// ===== impl LoadShed =====

impl<S, P> LoadShed<S, P> {
    pub(super) fn new(
        inner: S,
        protocol: P,
        config: LoadShedConfig,
        signal: Option<Signal>,
        hint: Option<Hint>,
    ) -> Self {
        Self {
            inner,
            protocol,
            shared: Arc::new(Shared {
                config,
                signal,
                hint,
                not_ready: AtomicU64::new(0),
                by_priority: AtomicU64::new(0),
            }),
            ready: false,
        }
    }

    /// How many calls were refused up to now, by all clones.
    #[must_use]
    pub fn counts(&self) -> ShedCounts {
        ShedCounts {
            not_ready: self.shared.not_ready.load(Ordering::Relaxed),
            by_priority: self.shared.by_priority.load(Ordering::Relaxed),
        }
    }

    /// The service within.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Whether the inner service is ready at this moment.
    #[inline]
    fn poll_now<Req>(&mut self) -> Poll<Result<(), S::Error>>
    where
        S: Service<Req> + Clone,
    {
        if self.shared.config.keep_instances {
            return match mem::take(&mut self.ready) {
                true => Poll::Ready(Ok(())),
                false => Poll::Pending,
            };
        }
        // Nobody is to be woken: who is refused does not wait. And without the task's cooperative budget: a service that
        // is pending because that is used up is not overloaded.
        let readiness = poll_fn(|cx| self.inner.poll_ready(cx));
        let readiness = pin!(tokio::task::coop::unconstrained(readiness));
        let polled = readiness.poll(&mut Context::from_waker(Waker::noop()));
        if !matches!(polled, Poll::Ready(Ok(()))) {
            // With the place in a queue that it may hold; or dead.
            self.inner = self.inner.clone();
        }
        polled
    }
}

impl<S, P, Req> Service<Req> for LoadShed<S, P>
where
    S: Service<Req> + Clone,
    S::Error: From<Rejection>,
    P: Protocol<Req, S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, S::Error>;

    /// Always ready: what cannot be served is refused by `call`.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.shared.config.keep_instances {
            self.ready = match self.inner.poll_ready(cx)? {
                Poll::Ready(()) => true,
                Poll::Pending => false,
            };
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        if self.shared.signal.is_some() {
            let context = self.protocol.context(&request);
            let priority = context.map_or_else(Priority::default, |context| context.priority);
            if self.shared.sheds(priority) {
                return ResponseFuture::refused(self.shared.refuse(&self.shared.by_priority));
            }
        }
        match self.poll_now() {
            Poll::Ready(Ok(())) => ResponseFuture::calling(self.inner.call(request)),
            Poll::Ready(Err(error)) => ResponseFuture::refused(error),
            Poll::Pending => ResponseFuture::refused(self.shared.refuse(&self.shared.not_ready)),
        }
    }
}

impl<S: Clone, P: Clone> Clone for LoadShed<S, P> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            protocol: self.protocol.clone(),
            shared: Arc::clone(&self.shared),
            ready: false,
        }
    }
}

impl<S: fmt::Debug, P> fmt::Debug for LoadShed<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadShed")
            .field("inner", &self.inner)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

// ===== impl Shared =====

impl Shared {
    /// Whether calls of this priority are shed now. A utilisation that is no number sheds nobody.
    fn sheds(&self, priority: Priority) -> bool {
        let threshold = self.config.thresholds.of(priority);
        let signal = self.signal.as_ref();
        threshold.is_some_and(|threshold| signal.is_some_and(|signal| signal() >= threshold))
    }

    #[cold]
    fn refuse<Err: From<Rejection>>(&self, count: &AtomicU64) -> Err {
        count.fetch_add(1, Ordering::Relaxed);
        let hint = self.hint.as_ref().and_then(|hint| hint());
        Rejection::new(RejectionKind::Shed, "load_shed")
            .with_retry_after(hint.unwrap_or(self.config.retry_after))
            .into()
    }
}
