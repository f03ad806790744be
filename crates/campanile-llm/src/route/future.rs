use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use campanile::{
    Call, Rejection, budget::Extra, context::Repeat, rejection::RejectionKind, time::Timestamp,
};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tower_service::Service;

use super::{Routed, Routes, routes::place};
use crate::error::Error;

/// The name by which the router refuses.
const LAYER: &str = "router";

pin_project! {
    /// The response of a [`Router`](super::Router).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, T>
    where
        S: Service<Call<T>>,
        S: 'static,
        T: 'static,
    {
        routes: Arc<Routes<S>>,
        // Of a call that may go elsewhere.
        kept: Option<Call<T>>,
        deadline: Option<Instant>,
        group: usize,
        // The groups that it has been to, once it has been to two.
        been: Vec<usize>,
        // The classes by which it went elsewhere, by bits.
        classes: u16,
        // The error so far, of a call that went elsewhere.
        error: Option<Error>,
        #[pin]
        state: State<S, T>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, T>
    where
        S: Service<Call<T>>,
        S: 'static,
        T: 'static,
    {
        Readying {
            service: S,
            call: Option<Call<T>>,
            extra: Option<Extra>,
            // Boxed, since few calls wait here and all would carry its size.
            sleep: Option<Pin<Box<Sleep>>>,
        },
        Calling {
            #[pin]
            future: S::Future,
        },
        Failed {
            error: Option<Error>,
        },
        Over,
    }
}

// ===== impl ResponseFuture =====

impl<S: Service<Call<T>>, T> ResponseFuture<S, T> {
    pub(super) const fn failed(routes: Arc<Routes<S>>, error: Error) -> Self {
        Self {
            routes,
            kept: None,
            deadline: None,
            group: 0,
            been: Vec::new(),
            classes: 0,
            error: None,
            state: State::Failed { error: Some(error) },
        }
    }

    pub(super) fn calling(routes: Arc<Routes<S>>, group: usize, mut call: Call<T>) -> Self
    where
        S: Clone,
        T: Routed,
    {
        let falls_back = routes.falls_back(group);
        if falls_back {
            // Retries within the groups would each keep one of their own, and each have all the attempts.
            call.context.trail.get_or_insert_default();
        }
        Self {
            kept: falls_back.then(|| call.clone()),
            deadline: call.context.deadline,
            group,
            been: Vec::new(),
            classes: 0,
            error: None,
            state: State::at(&routes, group, call, None),
            routes,
        }
    }
}

impl<S: Service<Call<T>> + Clone, T: Routed> State<S, T> {
    /// On its way to a group.
    fn at(routes: &Routes<S>, group: usize, mut call: Call<T>, extra: Option<Extra>) -> Self {
        let name = routes.name_at(group, call.message.model());
        if name != call.message.model() {
            let name = name.to_owned();
            call.message = call.message.with_model(&name);
        }
        Self::Readying {
            service: routes.groups[group].service.clone(),
            call: Some(call),
            extra,
            sleep: None,
        }
    }
}

impl<S, T> Future for ResponseFuture<S, T>
where
    S: Service<Call<T>, Error = Error> + Clone,
    T: Routed,
{
    type Output = Result<S::Response, Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let error = match this.state.as_mut().project() {
                StateProj::Readying {
                    service,
                    call,
                    extra,
                    sleep,
                } => match service.poll_ready(cx) {
                    Poll::Ready(Ok(())) => {
                        let Some(call) = call.take() else {
                            unreachable!("a call is made once");
                        };
                        if let Some(extra) = extra.take() {
                            extra.begin();
                        }
                        let future = service.call(call);
                        this.state.set(State::Calling { future });
                        continue;
                    }
                    Poll::Ready(Err(error)) => error,
                    Poll::Pending => {
                        ready!(overdue(*this.deadline, sleep, cx));
                        Rejection::new(RejectionKind::DeadlineExceeded, LAYER).into()
                    }
                },
                StateProj::Calling { future } => match ready!(future.poll(cx)) {
                    Ok(response) => {
                        this.state.set(State::Over);
                        return Poll::Ready(Ok(response));
                    }
                    Err(error) => error,
                },
                StateProj::Failed { error } => {
                    let Some(error) = error.take() else {
                        unreachable!("polled after it was ready");
                    };
                    return Poll::Ready(Err(error));
                }
                StateProj::Over => unreachable!("polled after it was ready"),
            };
            // What the call holds is given back before anything else begins.
            this.state.set(State::Over);
            let class = error.class();
            let error = match this.error.take() {
                // The group that was right for it: what it says matters more than that the first was not.
                Some(first) if first.class().is_request() => {
                    let _ = first;
                    error
                }
                Some(first) => first,
                None => error,
            };
            let bit = 1_u16 << place(class).min(15);
            let elsewhere = this.routes.fallback(*this.group, class).filter(|target| {
                *this.classes & bit == 0
                    && *target != *this.group
                    && !this.been.contains(target)
                    && this
                        .deadline
                        .is_none_or(|deadline| deadline > Instant::now())
            });
            let (Some(target), Some(kept)) = (elsewhere, this.kept.as_mut()) else {
                return Poll::Ready(Err(error));
            };
            let Some(extra) = Extra::ask(kept.context.trail.as_ref(), None) else {
                return Poll::Ready(Err(error));
            };
            tracing::debug!(
                from = this.routes.groups[*this.group].name,
                to = this.routes.groups[target].name,
                class = class.name(),
                "a call goes to another group"
            );
            this.routes.count_fallback(*this.group);
            repeat(&mut kept.context);
            *this.classes |= bit;
            this.been.push(*this.group);
            *this.group = target;
            *this.error = Some(error);
            let state = State::at(this.routes, target, kept.clone(), Some(extra));
            this.state.set(state);
        }
    }
}

/// Makes this the context of an attempt elsewhere.
fn repeat(context: &mut campanile::Context) {
    let made = context
        .trail
        .as_ref()
        .map_or(0, |trail| trail.attempts().len());
    let made = u32::try_from(made).unwrap_or(u32::MAX);
    context.attempt = context.attempt.saturating_add(1).max(made);
    context.repeat = Some(Repeat::Fallback);
    if let Some(since) = &mut context.queued_since {
        *since = Timestamp::now();
    }
}

/// Waits for the deadline, if there is one.
fn overdue(
    deadline: Option<Instant>,
    sleep: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let Some(deadline) = deadline else {
        return Poll::Pending;
    };
    sleep
        .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)))
        .as_mut()
        .poll(cx)
}

impl<S: Service<Call<T>>, T> fmt::Debug for ResponseFuture<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Readying { .. } => "readying",
            State::Calling { .. } => "calling",
            State::Failed { .. } => "failed",
            State::Over => "over",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}
