//! The background task of a health layer: it checks the members.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::{self, AbortHandle, JoinSet},
    time::Sleep,
};

use super::{
    MemberId, Membership, Probe, Report,
    companion::Companion,
    entry::{Entry, Request},
    schedule::{Place, Schedule},
    shared::Shared,
};
use crate::time::Timestamp;

mod checks;
mod turns;

/// Checks the members of one discovery until that is dropped.
///
/// Each check is a task of its own, so that one that panics or holds its thread up harms no other. It has one of
/// `max_concurrent` places until its task is really gone: one that is to be aborted but does not let go of its thread
/// keeps its place, so there are never more.
pub(super) struct Monitor<P, T> {
    shared: Arc<Shared>,
    probe: Arc<P>,
    told: mpsc::UnboundedReceiver<Membership<T>>,
    requests: mpsc::UnboundedReceiver<Request>,
    /// Kept for the entries to come.
    request: mpsc::UnboundedSender<Request>,
    members: HashMap<MemberId, Member<T>>,
    schedule: Schedule,
    checks: JoinSet<(Report, Duration)>,
    /// Whose check a task is.
    tasks: HashMap<task::Id, MemberId>,
    /// How many checks have begun.
    begun: u64,
    companion: Option<Box<dyn Companion>>,
    random: fastrand::Rng,
    timer: Option<Pin<Box<Sleep>>>,
}

struct Member<T> {
    entry: Arc<Entry>,
    target: T,
    /// The task of its check, until it is gone.
    task: Option<AbortHandle>,
    /// A check is due, and waits for the task of an earlier one to be gone.
    blocked: bool,
    started: Timestamp,
    /// The number of its latest check, of all that the monitor has begun; 0 before the first.
    number: u64,
    /// Those who wait for the end of a check.
    asked: Vec<oneshot::Sender<()>>,
}

// ===== impl Monitor =====

impl<P, T> Monitor<P, T> {
    pub(super) fn new(
        shared: Arc<Shared>,
        probe: Arc<P>,
        told: mpsc::UnboundedReceiver<Membership<T>>,
        companion: Option<Box<dyn Companion>>,
    ) -> Self {
        let (request, requests) = mpsc::unbounded_channel();
        let config = &shared.config;
        let random = config
            .seed
            .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self {
            probe,
            told,
            requests,
            request,
            members: HashMap::new(),
            schedule: Schedule::default(),
            checks: JoinSet::new(),
            tasks: HashMap::new(),
            begun: 0,
            companion,
            random,
            timer: None,
            shared,
        }
    }

    fn join(&mut self, entry: Entry, target: T, now: Timestamp) {
        let id = entry.id;
        if let Some(companion) = &mut self.companion {
            companion.join(id, &entry.endpoint, now);
        }
        let entry = Arc::new(entry);
        self.shared.join(&entry);
        self.schedule.put(id, Place::Due(now));
        let member = Member {
            entry,
            target,
            task: None,
            blocked: false,
            started: now,
            number: 0,
            asked: Vec::new(),
        };
        self.members.insert(id, member);
    }

    fn leave(&mut self, id: MemberId) {
        let Some(member) = self.members.remove(&id) else {
            return;
        };
        self.schedule.remove(id);
        if let Some(task) = &member.task {
            task.abort();
        }
        self.shared.leave(&member.entry);
        if let Some(companion) = &mut self.companion {
            companion.leave(id);
        }
    }

    /// Whether another check may begin.
    fn has_place(&self) -> bool {
        self.checks.len() < self.shared.config.max_concurrent
    }
}

impl<P, T> Monitor<P, T>
where
    P: Probe<T>,
    T: Clone + Send + 'static,
{
    /// Ready when the discovery is gone.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Timestamp::now();
            match self.hear(cx, now) {
                Poll::Ready(()) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            while let Poll::Ready(Some(request)) = self.requests.poll_recv(cx) {
                self.hasten(request, now);
            }
            self.check(cx, now);
            if let Some(companion) = &mut self.companion {
                companion.poll(cx);
            }
            let fleet = &self.shared.fleet;
            if fleet.next_tick().is_some_and(|at| at <= now) {
                fleet.tick(now);
            }
            let cap_free_at = self.shared.cap_free_at().unwrap_or(now);
            let next = self
                .schedule
                .next(self.has_place(), cap_free_at)
                .into_iter()
                .chain(fleet.next_tick())
                .min();
            ready!(self.sleep(cx, next, now));
        }
    }

    /// Takes what is told of members; ready when nothing will be told any more.
    fn hear(&mut self, cx: &mut Context<'_>, now: Timestamp) -> Poll<()> {
        while let Some(membership) = ready!(self.told.poll_recv(cx)) {
            match membership {
                Membership::Joined {
                    id,
                    endpoint,
                    target,
                } => {
                    let entry = Entry::new(id, endpoint, self.request.clone(), now);
                    self.join(entry, target, now);
                }
                Membership::Replaced { id, target } => {
                    // A check under way goes on: if discovery tells everything again and again, checks must still end.
                    if let Some(member) = self.members.get_mut(&id) {
                        member.target = target;
                    }
                }
                Membership::Left { id } => self.leave(id),
            }
        }
        Poll::Ready(())
    }

    fn sleep(
        &mut self,
        cx: &mut Context<'_>,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Poll<()> {
        let Some(until) = until else {
            self.timer = None;
            return Poll::Pending;
        };
        let until = until.to_instant(now);
        match &mut self.timer {
            Some(timer) if timer.deadline() == until => {}
            Some(timer) => timer.as_mut().reset(until),
            None => self.timer = Some(Box::pin(tokio::time::sleep_until(until))),
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<P, T> Drop for Monitor<P, T> {
    fn drop(&mut self) {
        let now = Timestamp::now();
        // Those of whom it has not heard may be shut too, and nobody will check them.
        self.told.close();
        while let Ok(membership) = self.told.try_recv() {
            if let Membership::Joined { id, .. } = membership {
                self.shared.fleet.leave(id, now);
            }
        }
        for (id, member) in &self.members {
            self.shared.fleet.leave(*id, now);
            self.shared.leave(&member.entry);
        }
        if std::thread::panicking() {
            tracing::error!("the monitor of a health layer panicked; nobody is checked any more");
        }
    }
}
