use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};
use tower_service::Service;

use super::{Signal, leg::Leg, service::Shared};
use crate::{
    budget::Extra,
    context::{Repeat, Trail},
    lane::Share,
    protocol::Protocol,
    replay::Replay,
    sync::Ordering,
    time::Timestamp,
};

pin_project! {
    /// The response of a [`Hedge`](super::Hedge).
    #[must_use = "futures do nothing unless polled"]
    pub struct HedgeFuture<S, P, G, R, Req>
    where
        S: Service<R::Request>,
        S: 'static,
        G: Signal<S::Response>,
        R: Replay<Req>,
        R: 'static,
        Req: 'static,
    {
        shared: Share<Shared<S, P, G, R>>,
        call: Call<R::Kept>,
        #[pin]
        first: Leg<S::Future, G::Response>,
        // Armed when the first copy has to wait.
        #[pin]
        timer: Option<Sleep>,
        // Boxed, since few calls are hedged and all would carry its size.
        second: Option<Pin<Box<Second<S, G, R::Request>>>>,
    }
}

pin_project! {
    struct Second<S, G, Req>
    where
        S: Service<Req>,
        G: Signal<S::Response>,
    {
        #[pin]
        leg: Leg<S::Future, G::Response>,
        // That of the first copy, which was no success.
        failed: Option<Result<G::Response, S::Error>>,
    }
}

/// What is known of a call.
pub(super) struct Call<K> {
    /// What is kept of the request for a hedge, while there may be one.
    kept: Option<K>,
    trail: Option<Trail>,
    /// What a hedge takes from the budget.
    units: u64,
    /// When it first had to wait.
    begun: Option<Timestamp>,
}

// ===== impl Call =====

impl<K> Call<K> {
    pub(super) const fn new(kept: K, trail: Option<Trail>, units: u64) -> Self {
        Self {
            kept: Some(kept),
            trail,
            units,
            begun: None,
        }
    }

    /// The time has come: calls another instance, if there is leave, and one that is ready at once. There is no second
    /// chance.
    #[cold]
    fn hedge<S, P, G, R, Req>(
        &mut self,
        shared: &Shared<S, P, G, R>,
        cx: &mut Context<'_>,
    ) -> Option<S::Future>
    where
        S: Service<R::Request> + Clone,
        P: Protocol<R::Request, S::Response, S::Error>,
        R: Replay<Req, Kept = K>,
    {
        let mut kept = self.kept.take()?;
        // What takes nothing from the budget is what nobody knows the cost of.
        if self.units == 0 || !shared.replay.is_sent(&kept) {
            return None;
        }
        let mut request = shared.replay.again(&mut kept)?;
        let context = shared.protocol.context(&request);
        if context
            .and_then(|context| context.deadline)
            .is_some_and(|deadline| deadline <= Instant::now())
        {
            return None;
        }
        let extra = Extra::beside(self.trail.as_ref(), Some((&shared.budget, self.units)))?;
        let mut service = shared.instance();
        let Poll::Ready(Ok(())) = service.poll_ready(cx) else {
            return None;
        };
        if let Some(context) = shared.protocol.context_mut(&mut request) {
            context.repeat(context.attempt.saturating_add(1), Repeat::Hedge);
            if self.trail.is_some() {
                context.trail.clone_from(&self.trail);
            }
        }
        extra.begin();
        shared.hedged.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(delay = ?shared.delay(), "a call that takes long is hedged");
        Some(service.call(request))
    }
}

// ===== impl HedgeFuture =====

impl<S, P, G, R, Req> HedgeFuture<S, P, G, R, Req>
where
    S: Service<R::Request>,
    G: Signal<S::Response>,
    R: Replay<Req>,
{
    #[inline]
    pub(super) const fn new(
        shared: Share<Shared<S, P, G, R>>,
        call: Call<R::Kept>,
        future: S::Future,
    ) -> Self {
        Self {
            shared,
            call,
            first: Leg::Calling { future },
            timer: None,
            second: None,
        }
    }
}

impl<S, P, G, R, Req> Future for HedgeFuture<S, P, G, R, Req>
where
    S: Service<R::Request> + Clone,
    P: Protocol<R::Request, S::Response, S::Error>,
    G: Signal<S::Response>,
    R: Replay<Req>,
{
    type Output = Result<G::Response, S::Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let shared = &**this.shared;
        if !(this.first.is_over() && this.second.is_some()) {
            let first = this.first.as_mut();
            if let Poll::Ready(ended) =
                first.poll::<S, P, G, R::Request>(&shared.protocol, &shared.signal, cx)
            {
                if ended.good {
                    // The loser is dropped before the answer is handed out.
                    *this.second = None;
                    shared.learn(this.call.begun);
                    return Poll::Ready(ended.answer);
                }
                let Some(second) = this.second.as_mut() else {
                    return Poll::Ready(ended.answer);
                };
                *second.as_mut().project().failed = Some(ended.answer);
            }
        }
        if this.second.is_none() {
            if this.call.begun.is_none() {
                this.call.begun = Some(shared.begin());
                match shared.delay() {
                    Some(delay) => this.timer.set(Some(sleep(delay))),
                    None => this.call.kept = None,
                }
            }
            match this.timer.as_mut().as_pin_mut() {
                Some(timer) if this.call.kept.is_some() => {
                    if timer.poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                _ => return Poll::Pending,
            }
            let Some(future) = this.call.hedge(shared, cx) else {
                return Poll::Pending;
            };
            *this.second = Some(Box::pin(Second {
                leg: Leg::Calling { future },
                failed: None,
            }));
        }
        let Some(second) = this.second.as_mut() else {
            return Poll::Pending;
        };
        let second = second.as_mut().project();
        match second
            .leg
            .poll::<S, P, G, R::Request>(&shared.protocol, &shared.signal, cx)
        {
            Poll::Pending => Poll::Pending,
            Poll::Ready(ended) if ended.good => {
                this.first.set(Leg::Over);
                *this.second = None;
                shared.won.fetch_add(1, Ordering::Relaxed);
                shared.learn(this.call.begun);
                Poll::Ready(ended.answer)
            }
            Poll::Ready(_) => {
                let failed = second.failed.take();
                *this.second = None;
                failed.map_or(Poll::Pending, Poll::Ready)
            }
        }
    }
}

impl<S, P, G, R, Req> fmt::Debug for HedgeFuture<S, P, G, R, Req>
where
    S: Service<R::Request>,
    G: Signal<S::Response>,
    R: Replay<Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HedgeFuture")
            .field("hedged", &self.second.is_some())
            .finish_non_exhaustive()
    }
}
