//! Who is ejected, until when. Samples in, verdicts out: no clock, no gate, no chance of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    config::OutlierConfig,
    rules::{slowest, worst_rates},
    snapshot::OutlierCause,
};
use crate::{health::MemberId, time::Timestamp};

mod member;
#[cfg(test)]
mod tests;

pub(super) use member::{Ejection, Member, Sample};

/// A member is ejected until a time, or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) id: MemberId,
    pub(super) ejected: Option<Ejection>,
}

/// Finds members that do worse than the others, and ejects them for a while.
#[derive(Debug)]
pub(super) struct Detector {
    config: OutlierConfig,
    members: BTreeMap<MemberId, Member>,
    /// Who is ejected, by when it ends.
    ejected: BTreeSet<(Timestamp, MemberId)>,
    /// How often somebody was ejected, by cause.
    ejections: [u64; OutlierCause::ALL.len()],
}

// ===== impl Detector =====

impl Detector {
    pub(super) const fn new(config: OutlierConfig) -> Self {
        Self {
            config,
            members: BTreeMap::new(),
            ejected: BTreeSet::new(),
            ejections: [0; OutlierCause::ALL.len()],
        }
    }

    pub(super) const fn config(&self) -> &OutlierConfig {
        &self.config
    }

    /// A member joins. What it did before does not count.
    pub(super) fn join(&mut self, id: MemberId, sample: Sample, now: Timestamp) {
        let member = Member::new(&self.config, sample, now);
        self.members.insert(id, member);
    }

    /// A member leaves.
    pub(super) fn leave(&mut self, id: MemberId) {
        if let Some(member) = self.members.remove(&id)
            && let Some(ejection) = member.ejection
        {
            self.ejected.remove(&(ejection.until, id));
        }
    }

    /// A step is over for a member.
    pub(super) fn note(&mut self, id: MemberId, sample: Sample) {
        if let Some(member) = self.members.get_mut(&id) {
            member.note(sample);
        }
    }

    /// A step is over for all members: compares them.
    pub(super) fn judge(
        &mut self,
        now: Timestamp,
        chance: &mut dyn FnMut() -> f64,
        verdicts: &mut Vec<Verdict>,
    ) {
        for member in self.members.values_mut() {
            member.forget(&self.config, now);
        }
        // One rule after the other: who is ejected by one does not weigh on the pool that the next one sees.
        let failing = self.failing_longest();
        self.eject_all(
            failing,
            OutlierCause::ConsecutiveFailures,
            now,
            chance,
            verdicts,
        );
        let rates = worst_rates(&self.config, &self.rates());
        self.eject_all(rates, OutlierCause::SuccessRate, now, chance, verdicts);
        let slow = slowest(&self.config, &self.latencies());
        self.eject_all(slow, OutlierCause::Latency, now, chance, verdicts);
    }

    /// A member fails again and again; says whether that may matter before the next step.
    pub(super) fn failing(
        &mut self,
        id: MemberId,
        sample: Sample,
        now: Timestamp,
        chance: &mut dyn FnMut() -> f64,
        verdicts: &mut Vec<Verdict>,
    ) -> bool {
        let Some(member) = self.members.get(&id) else {
            return false;
        };
        if member.ejection.is_some() {
            return false;
        }
        if !self.fails_too_long(member, sample) {
            return true;
        }
        self.eject_all(
            vec![id],
            OutlierCause::ConsecutiveFailures,
            now,
            chance,
            verdicts,
        );
        // Where there was no room, there is none before somebody returns or joins.
        false
    }

    /// Who is to come back: its time is over, or members have left and of fewer fewer may be ejected.
    pub(super) fn over(&self, now: Timestamp) -> Option<MemberId> {
        let (until, id) = self.ejected.first()?;
        (*until <= now || self.ejected.len() > self.limit()).then_some(*id)
    }

    /// When the first ejection is over.
    pub(super) fn first_end(&self) -> Option<Timestamp> {
        self.ejected.first().map(|(until, _)| *until)
    }

    /// An ejected member is back. What it did before does not count.
    pub(super) fn back(
        &mut self,
        id: MemberId,
        sample: Sample,
        now: Timestamp,
        verdicts: &mut Vec<Verdict>,
    ) {
        let member = self.members.get_mut(&id);
        let Some(ejection) = member.and_then(|member| member.back(sample, now)) else {
            return;
        };
        self.ejected.remove(&(ejection.until, id));
        verdicts.push(Verdict { id, ejected: None });
    }

    /// Whether it is there and not ejected.
    pub(super) fn serves(&self, id: MemberId) -> bool {
        self.members
            .get(&id)
            .is_some_and(|member| member.ejection.is_none())
    }

    pub(super) fn members(&self) -> &BTreeMap<MemberId, Member> {
        &self.members
    }

    /// How many are ejected now.
    pub(super) fn ejected(&self) -> usize {
        self.ejected.len()
    }

    /// How many may be ejected at once.
    pub(super) fn limit(&self) -> usize {
        self.config.limit(self.members.len())
    }

    /// How often somebody was ejected, in the order of [`OutlierCause::ALL`].
    pub(super) const fn ejections(&self) -> &[u64; OutlierCause::ALL.len()] {
        &self.ejections
    }

    fn fails_too_long(&self, member: &Member, sample: Sample) -> bool {
        self.config
            .consecutive_failures
            .is_some_and(|most| member.row(sample) >= u64::from(most))
    }

    /// Who has failed so often in a row that it should be out, the longest row first.
    fn failing_longest(&self) -> Vec<MemberId> {
        let mut failing: Vec<_> = self
            .serving()
            .filter(|(_, member)| self.fails_too_long(member, member.latest))
            .map(|(id, member)| (std::cmp::Reverse(member.row(member.latest)), id))
            .collect();
        failing.sort_unstable();
        failing.into_iter().map(|(_, id)| id).collect()
    }

    fn rates(&self) -> Vec<(MemberId, u64, f64)> {
        self.serving()
            .filter_map(|(id, member)| {
                let calls = member.calls();
                let enough = calls.total() >= u64::from(self.config.min_calls);
                enough.then_some((id, calls.total(), calls.rate()?))
            })
            .collect()
    }

    fn latencies(&self) -> Vec<(MemberId, f64)> {
        self.serving()
            .filter_map(|(id, member)| {
                let enough = member.calls().good >= u64::from(self.config.min_calls);
                enough.then_some((id, member.latest.latency?.as_secs_f64()))
            })
            .collect()
    }

    fn serving(&self) -> impl Iterator<Item = (MemberId, &Member)> {
        self.members
            .iter()
            .filter(|(_, member)| member.ejection.is_none())
            .map(|(id, member)| (*id, member))
    }

    /// Ejects as many of these, the worst first, as may be ejected.
    fn eject_all(
        &mut self,
        worst_first: Vec<MemberId>,
        cause: OutlierCause,
        now: Timestamp,
        chance: &mut dyn FnMut() -> f64,
        verdicts: &mut Vec<Verdict>,
    ) {
        let room = self.limit().saturating_sub(self.ejected.len());
        for id in worst_first.into_iter().take(room) {
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            let ejection = member.eject(&self.config, cause, now, chance());
            self.ejections[cause as usize] += 1;
            self.ejected.insert((ejection.until, id));
            verdicts.push(Verdict {
                id,
                ejected: Some(ejection),
            });
        }
    }
}
