//! Whose turn it is.

use super::Monitor;
use crate::{
    endpoint::Reason,
    health::{
        MemberId,
        entry::Request,
        schedule::{Place, interval},
    },
    sync::Ordering,
    time::Timestamp,
};

impl<P, T> Monitor<P, T> {
    /// Puts a member first, if it is not being checked already.
    pub(super) fn hasten(&mut self, (id, asked): Request, now: Timestamp) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        match self.schedule.place(id) {
            Some(Place::Due(_)) => {
                member.entry.plan(now);
                self.schedule.put(id, Place::Due(Timestamp::ZERO));
            }
            Some(Place::Waiting(_)) => {
                self.schedule.put(id, Place::Waiting(0));
                if self.shared.cap_free_at().is_some_and(|at| at > now) {
                    // Nobody is to wait so long for an answer.
                    let _ = asked.send(());
                    return;
                }
            }
            Some(Place::Running(_)) | None => {}
        }
        member.asked.push(asked);
    }

    /// Takes the next member that may be checked now, by its turn and what it costs.
    pub(super) fn next_member(&mut self, now: Timestamp) -> Option<MemberId> {
        loop {
            let Some(free_at) = self.shared.cap_free_at() else {
                return self.schedule.first_due(now);
            };
            if free_at <= now
                && let Some(id) = self.schedule.first_waiting()
            {
                if self.is_worth_it(id, now) && self.shared.pay(now) {
                    return Some(id);
                }
                continue;
            }
            let id = self.schedule.first_due(now)?;
            if !self.is_worth_it(id, now) {
                continue;
            }
            if self.shared.pay(now) {
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
        let free_at = self.shared.cap_free_at().unwrap_or(now);
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
}
