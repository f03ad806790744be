use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Sleep;
use tower_service::Service;

use super::{
    Clock, Clocked, Everything, ResponseFuture, TimeoutConfig,
    state::{Limits, Running},
};
use crate::{
    protocol::{Protocol, Unary},
    rejection::{Rejection, RejectionKind},
    time::{Timestamp, nanos},
};

/// A service whose calls may take only so long. See the [module](super).
pub struct Timeout<S, P = Unary, N = Everything> {
    inner: S,
    limits: Limits,
    covers_readiness: bool,
    protocol: P,
    counting: N,
    readied: Readied,
    /// Boxed, since few calls wait to be ready.
    waiting: Option<(Timestamp, Pin<Box<Sleep>>)>,
}

/// How the instance became ready.
#[derive(Debug, Clone, Copy, Default)]
enum Readied {
    #[default]
    AtOnce,
    /// After so long.
    After(Duration),
    /// It did not, in the time that it had.
    Late,
}

// ===== impl Timeout =====

impl<S, P, N> Timeout<S, P, N> {
    /// Keeps the calls of `inner` to these limits.
    pub const fn new(inner: S, config: &TimeoutConfig, protocol: P, counting: N) -> Self {
        Self {
            inner,
            limits: Limits::new(config),
            covers_readiness: config.readiness,
            protocol,
            counting,
            readied: Readied::AtOnce,
            waiting: None,
        }
    }

    /// The service within.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service is not ready: whether it has had its time.
    #[cold]
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limits.readiness();
        if !self.covers_readiness || limit == u64::MAX {
            return Poll::Pending;
        }
        let limit = Duration::from_nanos(limit);
        let now = Timestamp::now();
        // Whoever waits comes back when the time is over. One who comes long after that is somebody else, who found an
        // instance that was left waiting.
        if let Some((since, _)) = &self.waiting
            && now > since.after(limit).after(limit)
        {
            self.waiting = None;
        }
        let (since, sleep) = self.waiting.get_or_insert_with(|| {
            let until = now.after(limit).to_instant(now);
            (now, Box::pin(tokio::time::sleep_until(until)))
        });
        if now >= since.after(limit) || sleep.as_mut().poll(cx).is_ready() {
            self.readied = Readied::Late;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl<S, P, N, Req> Service<Req> for Timeout<S, P, N>
where
    S: Service<Req>,
    S::Error: From<Rejection>,
    P: Protocol<Req, S::Response, S::Error> + Clocked<S::Response>,
    N: Clone,
{
    type Response = <P as Clocked<S::Response>>::Response<N>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, P, N>;

    /// Ready when the inner service is; or when that has taken as long as the begin of an answer may take, and then the
    /// call is refused.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        match self.inner.poll_ready(cx) {
            Poll::Pending => self.poll_waiting(cx).map(Ok),
            ready => {
                self.readied = match self.waiting.take() {
                    None => Readied::AtOnce,
                    Some((since, _)) => Readied::After(Timestamp::now().since(since)),
                };
                ready
            }
        }
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let deadline = self
            .protocol
            .context(&request)
            .and_then(|context| context.deadline);
        let (mut start, mut until) = (Timestamp::ZERO, Timestamp::MAX);
        if deadline.is_some() || self.limits.count_from_begin() {
            let now = Timestamp::now();
            start = match mem::take(&mut self.readied) {
                Readied::AtOnce => now,
                Readied::After(waited) => {
                    Timestamp::from_nanos(now.as_nanos().saturating_sub(nanos(waited)))
                }
                Readied::Late => {
                    self.waiting = None;
                    return ResponseFuture::refused(Clock::Readiness.rejection());
                }
            };
            if let Some(deadline) = deadline {
                until = Timestamp::from_instant(deadline, now);
                if until <= now {
                    let layer = Clock::Deadline.layer();
                    return ResponseFuture::refused(Rejection::new(
                        RejectionKind::DeadlineExceeded,
                        layer,
                    ));
                }
            }
        }
        ResponseFuture::calling(
            self.inner.call(request),
            Running::begin(self.limits, start, until),
            self.counting.clone(),
        )
    }
}

impl<S: Clone, P: Clone, N: Clone> Clone for Timeout<S, P, N> {
    /// A clone that waits for nothing.
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            limits: self.limits,
            covers_readiness: self.covers_readiness,
            protocol: self.protocol.clone(),
            counting: self.counting.clone(),
            readied: Readied::AtOnce,
            waiting: None,
        }
    }
}

impl<S: fmt::Debug, P, N> fmt::Debug for Timeout<S, P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("inner", &self.inner)
            .field("limits", &self.limits)
            .field("waiting", &self.waiting.is_some())
            .finish_non_exhaustive()
    }
}
