use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use super::{
    Advice, Advise, Replay, RetryAfter,
    service::Shared,
    state::{Ended, Next, is_retryable},
    wait::Wait,
};
use crate::{
    budget::Extra,
    context::{Repeat, Trail},
    lane::Share,
    outcome::Outcome,
    protocol::Protocol,
    rejection::Rejection,
};

pin_project! {
    /// The response of a [`Retry`](super::Retry).
    #[must_use = "futures do nothing unless polled"]
    pub struct RetryFuture<S, P, A, R, Req>
    where
        S: Service<R::Request>,
        S: 'static,
        R: Replay<Req>,
        R: 'static,
        Req: 'static,
    {
        shared: Share<Shared<S, P, A, R>>,
        call: Call<R::Kept>,
        // How the last attempt failed that was sent. Boxed, since few calls have one.
        sent: Option<Box<S::Error>>,
        #[pin]
        state: State<S, R::Request>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req>
    where
        S: Service<Req>,
        S: 'static,
        Req: 'static,
    {
        Calling {
            #[pin]
            future: S::Future,
        },
        // Boxed, since few calls wait and all would carry its size.
        Waiting {
            wait: Pin<Box<Wait<S, Req>>>,
        },
        Over,
    }
}

/// What is known of a call over all its attempts.
pub(super) struct Call<K> {
    kept: K,
    /// Unless what is kept carries it.
    trail: Option<Trail>,
    deadline: Option<Instant>,
    /// The number of the first attempt that this layer made.
    first: u32,
    retries: u32,
    previous: Duration,
}

// ===== impl Call =====

impl<K> Call<K> {
    #[inline(always)]
    pub(super) const fn new(
        kept: K,
        trail: Option<Trail>,
        deadline: Option<Instant>,
        first: u32,
    ) -> Self {
        Self {
            kept,
            trail,
            deadline,
            first,
            retries: 0,
            previous: Duration::ZERO,
        }
    }

    /// Whether there is another attempt after this answer, and if so the leave for it, and when.
    #[cold]
    fn next<S, P, A, R, Req, Res, Err>(
        &mut self,
        shared: &Shared<S, P, A, R>,
        ended: Ended,
        now: Instant,
    ) -> Option<(Extra, Instant)>
    where
        P: Protocol<R::Request, Res, Err>,
        R: Replay<Req, Kept = K> + 'static,
        Req: 'static,
    {
        let Next::Retry { wait, budgeted } = ended.next(&shared.config) else {
            return None;
        };
        if !shared.replay.is_whole(&self.kept) {
            return None;
        }
        let budget = shared.budget.as_ref().filter(|_| budgeted);
        let trail = self.trail.as_ref().or_else(|| self.carried(shared));
        let Some(extra) = Extra::ask(trail, budget.map(|budget| (budget, 1))) else {
            tracing::debug!(outcome = ?ended.outcome, "no attempts left for a retry");
            return None;
        };
        tracing::debug!(retry = self.retries + 1, outcome = ?ended.outcome, ?wait, "a call will be tried again");
        self.previous = wait;
        Some((extra, after(now, wait)))
    }

    /// The trail that is kept with the request.
    fn carried<S, P, A, R, Req, Res, Err>(&self, shared: &Shared<S, P, A, R>) -> Option<&Trail>
    where
        P: Protocol<R::Request, Res, Err>,
        R: Replay<Req, Kept = K> + 'static,
        Req: 'static,
    {
        if shared.config.trail == super::KeepTrail::Never {
            return None;
        }
        let request = shared.replay.kept(&self.kept)?;
        shared.protocol.context(request)?.trail.as_ref()
    }

    /// The request once more, for the next attempt.
    fn again<S, P, A, R, Req, Res, Err>(
        &mut self,
        shared: &Shared<S, P, A, R>,
    ) -> Option<R::Request>
    where
        P: Protocol<R::Request, Res, Err>,
        R: Replay<Req, Kept = K>,
    {
        let mut request = shared.replay.again(&mut self.kept)?;
        self.retries += 1;
        if let Some(context) = shared.protocol.context_mut(&mut request) {
            context.repeat(self.first.saturating_add(self.retries), Repeat::Retry);
            if let Some(trail) = &self.trail {
                context.trail = Some(trail.clone());
            } else if shared.config.trail != super::KeepTrail::Never {
                self.trail = Some(context.trail.get_or_insert_default().clone());
            }
        }
        Some(request)
    }
}

// ===== impl RetryFuture =====

impl<S, P, A, R, Req> RetryFuture<S, P, A, R, Req>
where
    S: Service<R::Request>,
    R: Replay<Req>,
{
    #[inline(always)]
    pub(super) const fn new(
        shared: Share<Shared<S, P, A, R>>,
        call: Call<R::Kept>,
        future: S::Future,
    ) -> Self {
        Self {
            shared,
            call,
            sent: None,
            state: State::Calling { future },
        }
    }
}

impl<S, P, A, R, Req> Future for RetryFuture<S, P, A, R, Req>
where
    S: Service<R::Request> + Clone,
    P: Protocol<R::Request, S::Response, S::Error>,
    A: Advise<S::Response, S::Error>,
    R: Replay<Req>,
{
    type Output = Result<S::Response, S::Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = match this.state.as_mut().project() {
            StateProj::Calling { future } => future.poll(cx),
            _ => Poll::Pending,
        };
        let shared = &**this.shared;
        let judged = match &polled {
            Poll::Ready(result) => {
                // What the attempt's future holds is given back before anything else is done.
                this.state.set(State::Over);
                shared.judge(result)
            }
            Poll::Pending => None,
        };
        let waits = polled.is_pending() && !matches!(*this.state, State::Calling { .. });
        if !waits && judged.is_none() {
            return shared.protocol.pass(polled);
        }
        // Another place: one that others look into is moved as a block.
        let mut polled = polled;
        go_on(
            shared,
            this.call,
            this.sent,
            this.state,
            cx,
            &mut polled,
            judged,
        );
        tell_what_was_sent(shared, this.sent, &mut polled);
        polled
    }
}

/// What comes after an answer that may be tried again, which has been judged, or while none is there.
#[cold]
fn go_on<S, P, A, R, Req>(
    shared: &Shared<S, P, A, R>,
    call: &mut Call<R::Kept>,
    sent: &mut Option<Box<S::Error>>,
    mut state: Pin<&mut State<S, R::Request>>,
    cx: &mut Context<'_>,
    polled: &mut Poll<Result<S::Response, S::Error>>,
    mut judged: Option<(Outcome, Advice)>,
) where
    S: Service<R::Request> + Clone,
    P: Protocol<R::Request, S::Response, S::Error>,
    A: Advise<S::Response, S::Error>,
    R: Replay<Req> + 'static,
    Req: 'static,
{
    loop {
        if let (Some((outcome, advice)), Poll::Ready(result)) = (judged, &*polled) {
            let now = Instant::now();
            let deadline = call.deadline;
            let refused = result
                .as_ref()
                .is_err_and(|error| shared.protocol.rejection(error).is_some());
            let ended = Ended {
                outcome,
                advice,
                asked: asked(&outcome, shared.config.retry_after, refused),
                retries: call.retries,
                previous: call.previous,
                left: deadline.map(|at| at.saturating_duration_since(now)),
                random: shared.random(),
            };
            let Some((extra, at)) = call.next(shared, ended, now) else {
                return;
            };
            let patience = after(at, shared.config.patience);
            let until = deadline.map_or(patience, |deadline| deadline.min(patience));
            let Poll::Ready(result) = mem::replace(polled, Poll::Pending) else {
                unreachable!("it is ready");
            };
            let wait = Box::pin(Wait::new(result, extra, at, until));
            state.set(State::Waiting { wait });
        }
        match state.as_mut().project() {
            StateProj::Calling { future } => {
                *polled = future.poll(cx);
                let Poll::Ready(result) = &*polled else {
                    return;
                };
                state.set(State::Over);
                judged = shared.judge(result);
                if judged.is_none() {
                    return;
                }
            }
            StateProj::Waiting { wait } => {
                let Poll::Ready(waited) = wait.as_mut().poll(cx, || shared.instance()) else {
                    return;
                };
                let request = match &waited.service {
                    Some(_) => call.again(shared),
                    None => None,
                };
                let (Some(mut service), Some(request)) = (waited.service, request) else {
                    state.set(State::Over);
                    *polled = Poll::Ready(waited.answer);
                    return;
                };
                // Now that the retry really begins, and before it does: what the answer holds may be what it needs.
                if let Err(error) = waited.answer
                    && !shared.kept_back(&error)
                {
                    *sent = Some(Box::new(error));
                }
                waited.extra.begin();
                let future = service.call(request);
                state.set(State::Calling { future });
            }
            StateProj::Over => unreachable!("polled after it was ready"),
        }
    }
}

/// A retry that was refused on its way tells less than the attempt before it that was sent: the caller gets that one's
/// error. Not its response, which was dropped before the retry, with the connection that it held.
#[cold]
fn tell_what_was_sent<S, P, A, R, Req, Res, Err>(
    shared: &Shared<S, P, A, R>,
    sent: &mut Option<Box<Err>>,
    polled: &mut Poll<Result<Res, Err>>,
) where
    P: Protocol<Req, Res, Err>,
    Err: 'static,
{
    if let Poll::Ready(Err(error)) = polled
        && let Some(sent) = sent.take_if(|_| shared.kept_back(error))
    {
        *error = *sent;
    }
}

impl<S, P, A, R> Shared<S, P, A, R> {
    /// Whether a layer further in refused the call before it was sent.
    fn kept_back<Req, Res, Err>(&self, error: &Err) -> bool
    where
        P: Protocol<Req, Res, Err>,
        Err: 'static,
    {
        let rejection = self.protocol.rejection(error);
        rejection.is_some_and(Rejection::kept_back)
    }

    /// What an answer means that may be tried again. A success pays for the retries of others.
    #[inline]
    fn judge<Req, Res, Err>(&self, result: &Result<Res, Err>) -> Option<(Outcome, Advice)>
    where
        P: Protocol<Req, Res, Err>,
        A: Advise<Res, Err>,
        Err: 'static,
    {
        let outcome = self.protocol.classify(result.as_ref());
        let advice = self.advice.advise(&outcome, result.as_ref());
        if is_retryable(&outcome, advice) {
            return Some((outcome, advice));
        }
        if outcome.is_success()
            && let Some(budget) = &self.budget
        {
            budget.deposit(1);
        }
        None
    }
}

/// So much later; for ever is some decades, since time cannot hold more.
fn after(at: Instant, wait: Duration) -> Instant {
    const EVER: Duration = Duration::from_secs(1_000_000_000);
    at + wait.min(EVER)
}

/// The `Retry-After` that a retry waits for.
fn asked(outcome: &Outcome, meaning: RetryAfter, refused: bool) -> Option<Duration> {
    let elsewhere = !refused && meaning == RetryAfter::Elsewhere;
    outcome.retry_after().filter(|_| !elsewhere)
}

impl<S, P, A, R, Req> fmt::Debug for RetryFuture<S, P, A, R, Req>
where
    S: Service<R::Request>,
    R: Replay<Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryFuture")
            .field("retries", &self.call.retries)
            .finish_non_exhaustive()
    }
}
