use std::fmt;

use super::{
    slot::Handle,
    strategy::{Begin, End, Strategy},
};
use crate::{
    completion::Observe,
    context::{Context, TrailEntry},
    cost::{Cost, Usage},
    endpoint::Endpoint,
    outcome::Outcome,
    time::Timestamp,
};

/// Follows one call through the pool: counts it in and out of its endpoint, samples its latencies, settles its cost,
/// and tells the strategy.
pub struct Follow<St: Strategy> {
    member: Handle<St>,
    started: Timestamp,
    /// [`Timestamp::ZERO`] before it arrived.
    head: Timestamp,
    first_data: Timestamp,
    units: u64,
    cost: Cost,
    trail: Option<TrailEntry>,
    /// Boxed, since few calls have one and all would carry its size.
    usage: Option<Box<Usage>>,
}

// ===== impl Follow =====

impl<St: Strategy> Follow<St> {
    /// Counts a call in, unless the endpoint has closed since it was picked.
    #[inline(always)]
    pub(super) fn begin(
        member: &Handle<St>,
        now: Timestamp,
        cost: &Cost,
        context: Option<&Context>,
    ) -> Option<Self> {
        if !member.endpoint.enter() {
            return None;
        }
        member.endpoint.measurements().begin(now, cost);
        let trail = context.and_then(|context| context.trail.as_ref());
        Some(Self {
            member: member.clone(),
            started: now,
            head: Timestamp::ZERO,
            first_data: Timestamp::ZERO,
            units: 0,
            cost: *cost,
            trail: trail.map(|trail| trail.begin(&member.endpoint)),
            usage: None,
        })
    }

    /// Tells the strategy that the call begins. Once the call is guarded, since the strategy may panic.
    #[inline(always)]
    pub(super) fn tell(&self) {
        self.member.strategy.begin(
            self.member.peer(),
            &Begin {
                now: self.started,
                cost: self.cost,
            },
        );
    }

    /// The entry in a trail that is to explain this attempt.
    #[inline]
    pub(super) fn explaining(&self) -> Option<&TrailEntry> {
        self.trail.as_ref().filter(|entry| entry.explains())
    }

    /// Where the call went.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.member.endpoint
    }

    /// Passes on what the endpoint reported of its load.
    pub(super) fn report(&self, now: Timestamp, report: &super::LoadReport) {
        self.member.strategy.report(self.member.peer(), now, report);
    }
}

impl<St: Strategy> Observe for Follow<St> {
    #[inline]
    fn head(&mut self, now: Timestamp) {
        self.head = now;
        if let Some(entry) = self.explaining() {
            let head = Some(now.since(self.started));
            entry.explain(|explained| explained.head = head);
        }
    }

    #[inline]
    fn data(&mut self, now: Timestamp, units: u64) {
        if self.first_data == Timestamp::ZERO {
            self.first_data = now;
            self.member
                .strategy
                .first_data(self.member.peer(), self.started, now);
            if let Some(entry) = self.explaining() {
                let first_data = Some(now.since(self.started));
                entry.explain(|explained| explained.first_data = first_data);
            }
        }
        self.units += units;
        self.member.strategy.data(self.member.peer(), now, units);
    }

    fn usage(&mut self, usage: &Usage) {
        **self.usage.get_or_insert_default() = *usage;
    }

    #[inline(always)]
    fn end(&mut self, now: Timestamp, outcome: Outcome) {
        let Self {
            member,
            started,
            head,
            first_data,
            ..
        } = self;
        let measurements = member.endpoint.measurements();
        let some = |at: Timestamp| (at != Timestamp::ZERO).then_some(at);
        measurements.release(&self.cost);
        if outcome.is_timed() {
            measurements.sample(*started, some(*head), some(*first_data), now);
        }
        member.endpoint.leave(outcome);
        let usage = self.usage.as_deref();
        if let Some(usage) = usage {
            measurements.add_usage(usage);
        }
        member.strategy.end(
            member.peer(),
            &End {
                started: *started,
                head: some(*head),
                first_data: some(*first_data),
                now,
                outcome,
                units: self.units,
                cost: self.cost,
                usage,
            },
        );
        if let Some(trail) = self.trail.take() {
            trail.end(outcome, now.since(*started));
        }
        // The count went down by a sequentially consistent operation.
        member.crowd.wake_all_fenced();
    }
}

impl<St: Strategy> fmt::Debug for Follow<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("endpoint", &self.member.endpoint)
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}
