//! Who is fit, and whether the pool panics. No clock, no gate.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fitness, MemberId, PanicThreshold};
use crate::{endpoint::Reason, time::Timestamp};

/// The reasons that a fleet writes.
pub(super) const REASONS: [Reason; 2] = [Reason::Health, Reason::Outlier];

/// The verdicts on all members.
#[derive(Debug)]
pub(super) struct State {
    threshold: f64,
    members: BTreeMap<MemberId, Member>,
    /// Those that are unfit or held, so that a panic begins and ends without a look at the others.
    shut: BTreeSet<MemberId>,
    /// When a timed verdict ends.
    ends: BTreeSet<(Timestamp, MemberId)>,
    /// How many members count: those that nobody has taken out of service.
    counted: usize,
    /// How many of these are fit.
    fit: usize,
    panicking: bool,
    panics: u64,
}

/// What is thought of one member.
#[derive(Debug, Default)]
struct Member {
    /// Until when it is unfit or held, by [`REASONS`].
    until: [Option<Timestamp>; REASONS.len()],
    /// It is held, and nothing is known of it yet.
    held: [bool; REASONS.len()],
    /// An operator has taken it out of service, or it is leaving.
    aside: bool,
}

/// Who is out of service now. Asked of one member when it is judged, and of all before a panic begins or ends.
pub(super) type Aside<'a> = &'a dyn Fn(MemberId) -> bool;

/// A gate to be closed until a time, or to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) id: MemberId,
    pub(super) reason: Reason,
    pub(super) until: Option<Timestamp>,
}

// ===== impl State =====

impl State {
    pub(super) const fn new(threshold: PanicThreshold) -> Self {
        Self {
            threshold: threshold.0,
            members: BTreeMap::new(),
            shut: BTreeSet::new(),
            ends: BTreeSet::new(),
            counted: 0,
            fit: 0,
            panicking: false,
            panics: 0,
        }
    }

    /// A member joins; it is fit, and taken to be in service.
    pub(super) fn join(&mut self, id: MemberId, aside: Aside<'_>, changes: &mut Vec<Change>) {
        let member = Member::default();
        self.count(&member);
        self.members.insert(id, member);
        self.weigh(aside, changes);
    }

    /// A member leaves; its gate is the caller's. Says for which of [`REASONS`] it was closed.
    pub(super) fn leave(
        &mut self,
        id: MemberId,
        aside: Aside<'_>,
        changes: &mut Vec<Change>,
    ) -> [bool; REASONS.len()] {
        let Some(member) = self.members.remove(&id) else {
            return [false; REASONS.len()];
        };
        let closed = member.until.map(|until| until.is_some() && !self.panicking);
        self.uncount(&member);
        self.shut.remove(&id);
        for until in member.until.into_iter().flatten() {
            self.ends.remove(&(until, id));
        }
        self.weigh(aside, changes);
        closed
    }

    /// A member is unfit for `reason` until a time, or fit again as far as that reason goes.
    pub(super) fn judge(
        &mut self,
        id: MemberId,
        reason: Reason,
        until: Option<Timestamp>,
        aside: Aside<'_>,
        changes: &mut Vec<Change>,
    ) {
        self.set(id, reason, until, false, aside, changes);
    }

    /// A member is kept out for `reason` until it is first judged for it, and is taken to be fit meanwhile.
    pub(super) fn hold(
        &mut self,
        id: MemberId,
        reason: Reason,
        aside: Aside<'_>,
        changes: &mut Vec<Change>,
    ) {
        self.set(id, reason, Some(Timestamp::MAX), true, aside, changes);
    }

    fn set(
        &mut self,
        id: MemberId,
        reason: Reason,
        until: Option<Timestamp>,
        held: bool,
        aside: Aside<'_>,
        changes: &mut Vec<Change>,
    ) {
        let Some(which) = REASONS.iter().position(|known| *known == reason) else {
            debug_assert!(false, "{reason:?} is not a fleet's to write");
            return;
        };
        let Some(mut member) = self.members.remove(&id) else {
            return;
        };
        self.uncount(&member);
        let before = std::mem::replace(&mut member.until[which], until);
        member.held[which] = held;
        member.aside = aside(id);
        self.time(id, &member, before, until);
        self.count(&member);
        if member.is_shut() {
            self.shut.insert(id);
        } else {
            self.shut.remove(&id);
        }
        self.members.insert(id, member);
        // First whether to panic: what a panic opens at once is not closed before.
        let panicked = self.panicking;
        self.weigh(aside, changes);
        if before != until && !panicked && !self.panicking {
            changes.push(Change { id, reason, until });
        }
    }

    /// Ends the verdicts whose time is over.
    pub(super) fn expire(&mut self, now: Timestamp, aside: Aside<'_>, changes: &mut Vec<Change>) {
        while let Some(&(until, id)) = self.ends.first()
            && until <= now
        {
            for (which, reason) in REASONS.into_iter().enumerate() {
                let ends = self
                    .members
                    .get(&id)
                    .is_some_and(|member| member.until[which] == Some(until));
                if ends {
                    self.judge(id, reason, None, aside, changes);
                }
            }
        }
    }

    /// Looks anew who is in service.
    pub(super) fn look(&mut self, aside: Aside<'_>, changes: &mut Vec<Change>) {
        self.recount(aside);
        if self.should_panic() != self.panicking {
            self.turn(changes);
        }
    }

    /// When the first timed verdict ends.
    pub(super) fn first_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(until, _)| *until)
    }

    pub(super) fn has_shut(&self) -> bool {
        !self.shut.is_empty()
    }

    pub(super) fn fitness(&self) -> Fitness {
        Fitness {
            members: self.members.len(),
            counted: self.counted,
            fit: self.fit,
            panicking: self.panicking,
            panics: self.panics,
        }
    }

    /// Begins or ends a panic, if a look at who is in service now confirms that it should.
    fn weigh(&mut self, aside: Aside<'_>, changes: &mut Vec<Change>) {
        if self.should_panic() != self.panicking {
            self.look(aside, changes);
        }
    }

    fn should_panic(&self) -> bool {
        (self.fit as f64) < self.threshold * self.counted as f64
    }

    fn turn(&mut self, changes: &mut Vec<Change>) {
        self.panicking = !self.panicking;
        self.panics += u64::from(self.panicking);
        self.write(changes);
    }

    /// Closes once more whoever is shut: another pool may have opened it.
    pub(super) fn repeat(&self, changes: &mut Vec<Change>) {
        if !self.panicking {
            self.write(changes);
        }
    }

    /// The gates of all that are shut, as they ought to be.
    fn write(&self, changes: &mut Vec<Change>) {
        for id in &self.shut {
            let member = &self.members[id];
            for (which, reason) in REASONS.into_iter().enumerate() {
                if let Some(until) = member.until[which] {
                    changes.push(Change {
                        id: *id,
                        reason,
                        until: (!self.panicking).then_some(until),
                    });
                }
            }
        }
    }

    fn recount(&mut self, aside: Aside<'_>) {
        (self.counted, self.fit) = (0, 0);
        for (id, member) in &mut self.members {
            member.aside = aside(*id);
            self.counted += usize::from(!member.aside);
            self.fit += usize::from(!member.aside && member.is_fit());
        }
    }

    fn count(&mut self, member: &Member) {
        self.counted += usize::from(!member.aside);
        self.fit += usize::from(!member.aside && member.is_fit());
    }

    fn uncount(&mut self, member: &Member) {
        self.counted -= usize::from(!member.aside);
        self.fit -= usize::from(!member.aside && member.is_fit());
    }

    /// Keeps the list of ends, in which two verdicts on one member that end at once are one.
    fn time(
        &mut self,
        id: MemberId,
        member: &Member,
        before: Option<Timestamp>,
        until: Option<Timestamp>,
    ) {
        if let Some(before) = before
            && !member.until.contains(&Some(before))
        {
            self.ends.remove(&(before, id));
        }
        if let Some(until) = until
            && until != Timestamp::MAX
        {
            self.ends.insert((until, id));
        }
    }
}

// ===== impl Member =====

impl Member {
    fn is_fit(&self) -> bool {
        self.until
            .iter()
            .zip(self.held)
            .all(|(until, held)| until.is_none() || held)
    }

    fn is_shut(&self) -> bool {
        self.until.iter().any(Option::is_some)
    }
}
