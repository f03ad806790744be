//! The background task of a health layer: it checks the members.

use std::{
    any::Any,
    borrow::Cow,
    collections::HashMap,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::{self, AbortHandle, JoinError, JoinSet},
    time::Sleep,
};

use super::{
    Check, HealthState, MemberId, Membership, Probe, Report,
    cap::Cap,
    companion::Companion,
    schedule::{Place, Schedule, interval},
    shared::{Entry, Finding, Request, Shared},
};
use crate::{endpoint::Reason, sync::Ordering, time::Timestamp};

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
    cap: Option<Cap>,
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
        let cap = config.paid_per_hour.filter(|_| shared.paid).map(Cap::new);
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
            cap,
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

    /// Puts a member first, if it is not being checked already.
    fn hasten(&mut self, (id, asked): Request) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        member.asked.push(asked);
        let place = match self.schedule.place(id) {
            Some(Place::Due(_)) => {
                member.entry.plan(Timestamp::ZERO);
                Place::Due(Timestamp::ZERO)
            }
            Some(Place::Waiting(_)) => Place::Waiting(0),
            Some(Place::Running(_)) | None => return,
        };
        self.schedule.put(id, place);
    }

    /// Ends the checks whose time is up.
    fn time_out(&mut self, now: Timestamp) {
        while let Some(id) = self.schedule.first_late(now) {
            let timeout = self.shared.config.timeout;
            if let Some(task) = self
                .members
                .get(&id)
                .and_then(|member| member.task.as_ref())
            {
                task.abort();
            }
            let message = format!("no answer within {}", humantime::format_duration(timeout));
            self.finish(id, Finding::TimedOut(message.into()), now);
        }
    }

    /// A check has come to an end, at least as far as its endpoint goes.
    fn finish(&mut self, id: MemberId, finding: Finding, now: Timestamp) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let turn = self.shared.record(&member.entry, finding, now);
        if let Some(turn) = turn {
            let unfit = turn.to == HealthState::Unhealthy;
            let until = unfit.then_some(Timestamp::MAX);
            self.shared.fleet.judge(id, Reason::Health, until, now);
        }
        let (state, checks) = member.entry.state();
        let chance = self.random.f64();
        let pause = interval(&self.shared.config, state, checks == 1, chance);
        let next = member.started.after(pause).max(now);
        member.entry.plan(next);
        self.schedule.put(id, Place::Due(next));
        for asked in member.asked.drain(..) {
            let _ = asked.send(());
        }
    }

    /// Takes the next member that may be checked now, by its turn and what it costs.
    fn next_member(&mut self, now: Timestamp) -> Option<MemberId> {
        loop {
            if let Some(cap) = &mut self.cap
                && cap.free_at() <= now
                && let Some(id) = self.schedule.first_waiting()
            {
                if self.is_worth_it(id, now) {
                    cap_take(&mut self.cap, now);
                    return Some(id);
                }
                continue;
            }
            let id = self.schedule.first_due(now)?;
            if self.cap.is_none() {
                return Some(id);
            }
            if !self.is_worth_it(id, now) {
                continue;
            }
            if cap_take(&mut self.cap, now) {
                return Some(id);
            }
            self.put_off(id, now);
        }
    }

    /// Whether money is to be spent on a member. Nothing is on one that an operator has switched off, unless somebody
    /// asks: its check is left out.
    fn is_worth_it(&mut self, id: MemberId, now: Timestamp) -> bool {
        let Some(member) = self.members.get(&id) else {
            self.schedule.remove(id);
            return false;
        };
        let off = member
            .entry
            .endpoint
            .gate()
            .is_closed_for(Reason::Disabled, now);
        if !off || !member.asked.is_empty() {
            return true;
        }
        let (state, _) = member.entry.state();
        let pause = interval(&self.shared.config, state, false, self.random.f64());
        let next = now.after(pause);
        self.skip(id, Place::Due(next), next);
        false
    }

    /// Lets a member wait for the cap.
    fn put_off(&mut self, id: MemberId, now: Timestamp) {
        let free_at = self.cap.as_ref().map_or(now, Cap::free_at);
        let number = self.members.get(&id).map_or(0, |member| member.number);
        self.skip(id, Place::Waiting(number), free_at);
    }

    fn skip(&mut self, id: MemberId, place: Place, next: Timestamp) {
        self.schedule.put(id, place);
        self.shared.counts.skipped.fetch_add(1, Ordering::Relaxed);
        if let Some(member) = self.members.get_mut(&id) {
            member.entry.skip(next);
            for asked in member.asked.drain(..) {
                let _ = asked.send(());
            }
        }
    }

    /// A check's task is gone.
    fn ended(&mut self, ended: Result<(task::Id, (Report, Duration)), JoinError>, now: Timestamp) {
        let task = match &ended {
            Ok((task, _)) => *task,
            Err(error) => error.id(),
        };
        let Some(id) = self.tasks.remove(&task) else {
            return;
        };
        if let Some(member) = self.members.get_mut(&id) {
            member.task = None;
        }
        // Otherwise its time was up before.
        if !matches!(self.schedule.place(id), Some(Place::Running(_))) {
            return;
        }
        let finding = match ended {
            Ok((_, (report, took))) => Finding::Report(report, took),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => Finding::Panicked(panicked(&*panic)),
                // Nobody but the runtime aborts what runs in time: it is shutting down.
                Err(_) => return,
            },
        };
        self.finish(id, finding, now);
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
                self.hasten(request);
            }
            self.check(cx, now);
            if let Some(companion) = &mut self.companion {
                companion.poll(cx);
            }
            let fleet = &self.shared.fleet;
            if fleet.next_tick().is_some_and(|at| at <= now) {
                fleet.tick(now);
            }
            let cap_free_at = self.cap.as_ref().map_or(now, Cap::free_at);
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

    /// Ends and begins checks until there is nothing more to do now.
    fn check(&mut self, cx: &mut Context<'_>, now: Timestamp) {
        loop {
            // First those that are over: one that answered in time counts, even if this task runs late.
            while let Poll::Ready(Some(ended)) = self.checks.poll_join_next_with_id(cx) {
                self.ended(ended, now);
            }
            self.time_out(now);
            let mut begun = false;
            while self.has_place()
                && let Some(id) = self.next_member(now)
            {
                self.begin(id, now);
                begun = true;
            }
            // Those that have begun must be looked at once more, so that they wake this task when they end.
            if !begun {
                return;
            }
        }
    }

    fn begin(&mut self, id: MemberId, now: Timestamp) {
        let Some(member) = self.members.get_mut(&id) else {
            self.schedule.remove(id);
            return;
        };
        member.started = now;
        self.begun += 1;
        member.number = self.begun;
        if member.task.is_some() {
            let message = Cow::Borrowed("an earlier check does not let go of its thread");
            self.finish(id, Finding::TimedOut(message), now);
            return;
        }
        let endpoint = member.entry.endpoint.clone();
        let Ok(target) = panic::catch_unwind(AssertUnwindSafe(|| member.target.clone())) else {
            let message = "the target panicked when it was cloned".to_owned();
            self.finish(id, Finding::Panicked(message), now);
            return;
        };
        member.entry.begin();
        let probe = Arc::clone(&self.probe);
        let checking = self.shared.checking();
        let task = self.checks.spawn(async move {
            let _checking = checking;
            let started = Timestamp::now();
            let report = probe.check(Check { endpoint, target }).await;
            (report, Timestamp::now().since(started))
        });
        self.tasks.insert(task.id(), id);
        member.task = Some(task);
        let until = now.after(self.shared.config.timeout);
        self.schedule.put(id, Place::Running(until));
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
        for (id, member) in &self.members {
            self.shared.fleet.leave(*id, now);
            self.shared.leave(&member.entry);
        }
        if std::thread::panicking() {
            tracing::error!("the monitor of a health layer panicked; nobody is checked any more");
        }
    }
}

fn cap_take(cap: &mut Option<Cap>, now: Timestamp) -> bool {
    cap.as_mut().is_none_or(|cap| cap.take(now))
}

/// What a panic said.
fn panicked(panic: &(dyn Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    match said {
        Some(said) => format!("the probe panicked: {said}"),
        None => "the probe panicked".to_owned(),
    }
}
