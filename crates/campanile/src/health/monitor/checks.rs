//! Begins checks, and takes what becomes of them.

use std::{
    any::Any,
    borrow::Cow,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::task::{self, JoinError};

use super::Monitor;
use crate::{
    endpoint::Reason,
    health::{
        Check, HealthState, MemberId, Probe, Report,
        entry::Finding,
        schedule::{Place, interval},
    },
    time::Timestamp,
};

impl<P, T> Monitor<P, T>
where
    P: Probe<T>,
    T: Clone + Send + 'static,
{
    /// Ends and begins checks until there is nothing more to do now.
    pub(super) fn check(&mut self, cx: &mut Context<'_>, now: Timestamp) {
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

    /// A check's task is gone.
    fn ended(&mut self, ended: Result<(task::Id, (Report, Duration)), JoinError>, now: Timestamp) {
        let task = match &ended {
            Ok((task, _)) => *task,
            Err(error) => error.id(),
        };
        let Some(id) = self.tasks.remove(&task) else {
            return;
        };
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        member.task = None;
        if std::mem::take(&mut member.blocked) {
            // In the place that it leaves.
            self.begin(id, now);
            return;
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

    fn begin(&mut self, id: MemberId, now: Timestamp) {
        let Some(member) = self.members.get_mut(&id) else {
            self.schedule.remove(id);
            return;
        };
        member.started = now;
        self.begun += 1;
        member.number = self.begun;
        let until = now.after(self.shared.config.timeout);
        if member.task.is_some() {
            // One whose time was up is not gone yet: it has the time of this one to let go.
            member.blocked = true;
            member.entry.begin();
            self.schedule.put(id, Place::Running(until));
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
        self.schedule.put(id, Place::Running(until));
    }
}

impl<P, T> Monitor<P, T> {
    /// Ends the checks whose time is up.
    fn time_out(&mut self, now: Timestamp) {
        while let Some(id) = self.schedule.first_late(now) {
            let timeout = self.shared.config.timeout;
            let mut blocked = false;
            if let Some(member) = self.members.get_mut(&id) {
                blocked = std::mem::take(&mut member.blocked);
                if let Some(task) = &member.task {
                    task.abort();
                }
            }
            let message = if blocked {
                Cow::Borrowed("an earlier check does not let go of its thread")
            } else {
                let timeout = humantime::format_duration(timeout);
                Cow::Owned(format!("no answer within {timeout}"))
            };
            self.finish(id, Finding::TimedOut(message), now);
        }
    }

    /// A check has come to an end, at least as far as its endpoint goes.
    fn finish(&mut self, id: MemberId, finding: Finding, now: Timestamp) {
        let Some(member) = self.members.get_mut(&id) else {
            self.schedule.remove(id);
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
