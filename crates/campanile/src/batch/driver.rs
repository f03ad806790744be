//! The task of one batch.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep_until},
};
use tower_service::Service;

use super::{
    cause::FlushCause,
    cell::wake_all,
    control::InFlight,
    groups::{CellOf, Groups, Sealed, refusal},
    kind::Kind,
    slots::Look,
};
use crate::{
    outcome::{FailureKind, Outcome},
    rejection::{Rejection, RejectionKind},
    sync::lock,
    time::Timestamp,
};

/// Waits until a batch goes, drives a service to ready for it, calls that, and hands the answers out. It ends early when
/// nobody is left.
///
/// # Correctness
///
/// However it ends (a panic in the service, a runtime that is shut down, before it was polled at all), dropping it answers
/// everyone who has no answer yet.
pub(super) struct Driver<K: Kind> {
    groups: Arc<Groups<K>>,
    cell: Arc<CellOf<K>>,
    key: K::Key,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Up to when time has come, as far as that is known without looking at the clock.
    passed: Option<Instant>,
    /// The batch is no longer counted as open.
    closed: bool,
}

/// What is to be sent, or sent again.
struct Part<Kept> {
    places: Vec<u32>,
    /// Of each; empty where it is not to be sent again.
    kept: Vec<Kept>,
}

/// A service that is ready, or will never be, and leave to have a batch in flight.
type Prepared<K> = (
    Result<<K as Kind>::Service, <K as Kind>::Error>,
    Option<OwnedSemaphorePermit>,
    FlushCause,
);

/// A call to be made.
type Next<K> = (
    <K as Kind>::Service,
    Vec<<K as Kind>::Request>,
    Part<<K as Kind>::Kept>,
);

// ===== impl Driver =====

impl<K: Kind> Driver<K> {
    pub(super) const fn new(groups: Arc<Groups<K>>, cell: Arc<CellOf<K>>, key: K::Key) -> Self {
        Self {
            groups,
            cell,
            key,
            sleep: None,
            passed: None,
            closed: false,
        }
    }

    pub(super) async fn run(mut self) {
        let (service, _permit, cause) = loop {
            if let Some(prepared) = self.prepare().await {
                break prepared;
            }
            if self.groups.retire(&self.key, &self.cell) {
                return;
            }
        };
        self.sleep = None;
        let in_flight = InFlight::new(&self.groups.control);
        let sealed = self.groups.seal(&self.key, &self.cell);
        self.closed = true;
        self.groups.control.closed();
        let items = sealed.places.len();
        if items == 0 {
            return;
        }
        let number = self.groups.control.sent(cause, items);
        tracing::debug!(cause = cause.name(), items, number, "a batch is sent");
        match service {
            Ok(service) => self.send(service, sealed, number).await,
            Err(error) => self.fail(&sealed.places, error),
        }
        drop(in_flight);
    }

    /// Waits until the batch goes, and a service is ready for it. `None` when nobody is left.
    async fn prepare(&mut self) -> Option<Prepared<K>> {
        let cause = self.gather().await?;
        let mut permit = None;
        if let Some(permits) = &self.groups.control.permits {
            let permits = Arc::clone(permits).acquire_owned();
            // Never closed.
            permit = self.while_wanted(permits, false).await?.ok();
        }
        let service = self.ready().await?;
        Some((service, permit, cause))
    }

    /// Waits until the batch goes: it is full, its time has come, or somebody says so.
    async fn gather(&mut self) -> Option<FlushCause> {
        if self.groups.control.config.when_idle {
            // Those who come at the same moment travel together.
            tokio::task::yield_now().await;
            if self.groups.control.is_idle() {
                let _first = lock(&self.cell.slots).flush(FlushCause::Idle);
            }
        }
        poll_fn(|cx| {
            loop {
                let look = lock(&self.cell.slots).look(self.passed, cx.waker());
                match look {
                    Look::Empty => return Poll::Ready(None),
                    Look::Flush(cause) => return Poll::Ready(Some(cause)),
                    Look::Due(due) => ready!(self.poll_sleep(due, cx)),
                }
            }
        })
        .await
    }

    /// A service that is ready, or an error of one that will never be. `None` when nobody is left.
    async fn ready(&mut self) -> Option<Result<K::Service, K::Error>> {
        let mut service = self.groups.kind.instance();
        let ready = poll_fn(|cx| service.poll_ready(cx));
        let ready = self.while_wanted(ready, false).await?;
        Some(ready.map(|()| service))
    }

    /// Sends a batch, and what it is split into if it fails.
    async fn send(&mut self, service: K::Service, sealed: Sealed<K::Request>, number: u64) {
        let groups = Arc::clone(&self.groups);
        let (kind, control) = (&groups.kind, &groups.control);
        let Sealed {
            places,
            requests,
            full,
        } = sealed;
        let mut extra = match kind.splits() {
            true => control.config.extra_calls,
            false => 0,
        };
        let (requests, kept) = if extra >= 2 && places.len() > 1 {
            let kept = requests.into_iter().map(|request| kind.keep(request));
            kept.unzip()
        } else {
            (requests, Vec::new())
        };
        let mut parts = Vec::new();
        let mut whole = full;
        let mut next: Option<Next<K>> = Some((service, requests, Part { places, kept }));
        while let Some((mut service, requests, part)) = next.take() {
            let begun = control.learns().then(Timestamp::now);
            let call = service.call(requests);
            drop(service);
            if let Some(result) = self.while_wanted(call, true).await {
                let outcome = kind.classify(result.as_ref());
                if let Some(begun) = begun
                    && is_timed(&outcome)
                {
                    control.learn(number, whole, Timestamp::now().since(begun));
                }
                self.conclude(result, &outcome, part, &mut extra, &mut parts);
            }
            whole = false;
            next = self.next(&mut parts).await;
        }
    }

    /// What becomes of a call's answer: it is handed out, or the part is split.
    fn conclude(
        &self,
        result: Result<K::Response, K::Error>,
        outcome: &Outcome,
        mut part: Part<K::Kept>,
        extra: &mut u32,
        parts: &mut Vec<Part<K::Kept>>,
    ) {
        let kind = &self.groups.kind;
        let items = part.places.len();
        if outcome.is_success()
            && let Some(budget) = kind.budget()
        {
            budget.deposit(1);
        }
        if is_splittable(&result, outcome) && self.may_split(&part, extra) {
            tracing::debug!(?outcome, items, "a batch failed and is split");
            self.groups.control.failed();
            self.groups.control.split();
            let half = items / 2;
            let later = Part {
                places: part.places.split_off(half),
                kept: part.kept.split_off(half),
            };
            // The last one is taken first.
            parts.extend([later, part]);
            return;
        }
        let response = match result {
            Ok(response) => response,
            Err(error) => return self.fail(&part.places, error),
        };
        let answers = kind.answers(response, items);
        if answers.len() == items {
            self.cell.answer(&part.places, answers);
        } else {
            let found = answers.len();
            tracing::warn!(items, found, "the answer to a batch does not fit it");
            self.groups.control.failed();
            self.cell
                .refuse(&part.places, refusal(RejectionKind::Mismatched));
        }
    }

    /// Whether there may be two calls more for this part, which are taken.
    fn may_split(&self, part: &Part<K::Kept>, extra: &mut u32) -> bool {
        let kind = &self.groups.kind;
        let whole = part.kept.iter().all(|kept| kind.is_whole(kept));
        // Nothing is kept of a part that is not to be split.
        if part.places.len() < 2 || part.kept.is_empty() || !whole || *extra < 2 {
            return false;
        }
        if !kind.budget().is_none_or(|budget| budget.withdraw(2)) {
            return false;
        }
        *extra -= 2;
        true
    }

    /// The next part that somebody still wants, with a service for it.
    async fn next(&mut self, parts: &mut Vec<Part<K::Kept>>) -> Option<Next<K>> {
        while let Some(mut part) = parts.pop() {
            lock(&self.cell.slots).again(&part.places);
            let service = match self.ready().await {
                None => continue,
                Some(Ok(service)) => service,
                Some(Err(error)) => {
                    self.fail(&part.places, error);
                    continue;
                }
            };
            self.expire(None);
            self.keep_wanted(&mut part);
            let kept = part.kept.iter_mut();
            let requests: Option<Vec<_>> = kept.map(|kept| self.groups.kind.again(kept)).collect();
            let Some(requests) = requests else {
                let why = refusal(RejectionKind::Aborted);
                self.cell.refuse(&part.places, why);
                continue;
            };
            if !requests.is_empty() {
                return Some((service, requests, part));
            }
        }
        None
    }

    /// Leaves those out whose callers are gone.
    fn keep_wanted(&self, part: &mut Part<K::Kept>) {
        let places = std::mem::take(&mut part.places);
        let kept = std::mem::take(&mut part.kept);
        let mut unwanted = Vec::new();
        let slots = lock(&self.cell.slots);
        for (place, kept) in places.into_iter().zip(kept) {
            if slots.is_wanted(place) {
                part.places.push(place);
                part.kept.push(kept);
            } else {
                unwanted.push(kept);
            }
        }
        drop(slots);
    }

    /// A call failed as a whole.
    fn fail(&self, places: &[u32], error: K::Error) {
        self.groups.control.failed();
        let errors = self.groups.kind.share(error, places.len());
        self.cell
            .answer(places, errors.into_iter().map(Err).collect());
    }

    /// Runs `future` while anybody wants what comes of it. Those whose deadlines pass before the call are refused.
    async fn while_wanted<F: Future>(&mut self, future: F, calling: bool) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            loop {
                let watched = lock(&self.cell.slots).watch(cx.waker(), calling);
                match watched {
                    None => return Poll::Ready(None),
                    Some(None) => return Poll::Pending,
                    Some(Some(deadline)) => {
                        ready!(self.poll_sleep(deadline, cx));
                        self.expire(self.passed);
                    }
                }
            }
        })
        .await
    }

    /// Refuses those whose deadlines have passed.
    fn expire(&self, now: Option<Instant>) {
        let mut wakers: Vec<Waker> = Vec::new();
        let mut requests = Vec::new();
        let mut slots = lock(&self.cell.slots);
        if !slots.has_deadlines() {
            return;
        }
        let now = now.unwrap_or_else(Instant::now);
        let expired = slots.expire(now, &mut wakers, &mut requests);
        drop(slots);
        self.groups.control.refuse(expired);
        self.groups.control.release(requests.len());
        wake_all(wakers);
    }

    fn poll_sleep(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if sleep.deadline() != until {
                    sleep.as_mut().reset(until);
                }
                sleep
            }
            // Boxed, since a batch that is full in time has none.
            None => self.sleep.insert(Box::pin(sleep_until(until))),
        };
        ready!(sleep.as_mut().poll(cx));
        self.passed = Some(until);
        Poll::Ready(())
    }
}

/// Whether a call that went so may be made again in parts: the endpoint failed, or some request was at fault. One that
/// asks for less load gets it, and what a layer further in refused would be refused again.
fn is_splittable<T, E: 'static>(result: &Result<T, E>, outcome: &Outcome) -> bool {
    let refused = || {
        result
            .as_ref()
            .is_err_and(|error| Rejection::within(error).is_some())
    };
    match outcome {
        Outcome::Failure(_) => true,
        Outcome::Ignored => !refused(),
        _ => false,
    }
}

/// Whether it says how long a batch takes.
fn is_timed(outcome: &Outcome) -> bool {
    outcome.is_timed() || matches!(outcome, Outcome::Failure(FailureKind::Timeout))
}

impl<K: Kind> Drop for Driver<K> {
    fn drop(&mut self) {
        if !self.closed {
            self.groups.control.closed();
        }
        self.groups.abandon(&self.key, &self.cell);
        self.groups.control.pass_on();
    }
}
