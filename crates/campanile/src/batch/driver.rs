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
    groups::{CellOf, Groups},
    kind::Kind,
    slots::Look,
};
use crate::sync::lock;

/// Waits until a batch goes, drives a service to ready for it, calls that, and hands the answers out. It ends early
/// when nobody is left.
///
/// # Correctness
///
/// However it ends (a panic in the service, a runtime that is shut down, before it was polled at all), dropping it
/// answers everyone who has no answer yet.
pub(super) struct Driver<K: Kind> {
    pub(super) groups: Arc<Groups<K>>,
    pub(super) cell: Arc<CellOf<K>>,
    key: K::Key,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Up to when time has come, as far as that is known without looking at the clock.
    passed: Option<Instant>,
    /// The batch is no longer counted as open.
    closed: bool,
}

/// A service that is ready, or will never be, and leave to have a batch in flight.
type Prepared<K> = (
    Result<<K as Kind>::Service, <K as Kind>::Error>,
    Option<OwnedSemaphorePermit>,
    FlushCause,
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
    pub(super) async fn ready(&mut self) -> Option<Result<K::Service, K::Error>> {
        let mut service = self.groups.kind.instance();
        let ready = poll_fn(|cx| service.poll_ready(cx));
        let ready = self.while_wanted(ready, false).await?;
        Some(ready.map(|()| service))
    }

    /// Runs `future` while anybody wants what comes of it. Those whose deadlines pass before the call are refused.
    pub(super) async fn while_wanted<F: Future>(
        &mut self,
        future: F,
        calling: bool,
    ) -> Option<F::Output> {
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
    pub(super) fn expire(&self, now: Option<Instant>) {
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

impl<K: Kind> Drop for Driver<K> {
    fn drop(&mut self) {
        if !self.closed {
            self.groups.control.closed();
        }
        self.groups.abandon(&self.key, &self.cell);
        self.groups.control.pass_on();
    }
}
