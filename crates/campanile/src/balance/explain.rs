//! Tells a trail that asks for it why an attempt goes where it goes.

use super::{Follow, Strategy, attempt::Attempt, members::Members};
use crate::{
    context::{CLOSED, Candidates, ClosedMember, LOOKED_AT, Trail},
    endpoint::{Closed, Endpoint},
    protocol::Protocol,
    time::Timestamp,
};

/// The members as they are now. `picked` counts as open, though it may be full with this very call.
pub(super) fn candidates<S, St: Strategy>(
    members: &Members<S, St>,
    picked: Option<&Endpoint>,
    trail: &Trail,
    now: Timestamp,
) -> Candidates {
    let attempts = trail.attempts();
    // The last one is that of the pick.
    let before =
        &attempts[..attempts.len() - usize::from(picked.is_some() && !attempts.is_empty())];
    let mut found = Candidates {
        members: members.len(),
        ..Candidates::default()
    };
    for slot in members.slots().iter().take(LOOKED_AT) {
        let endpoint = &slot.member.endpoint;
        if before.iter().any(|attempt| attempt.endpoint == *endpoint) {
            found.tried += 1;
        }
        let is_picked = picked.is_some_and(|picked| picked == endpoint);
        if is_picked || endpoint.gate().is_open(now) {
            found.open += 1;
        } else if found.closed.len() < CLOSED {
            found.closed.push(ClosedMember {
                endpoint: endpoint.clone(),
                reasons: Closed::of(endpoint, now),
            });
        }
    }
    found
}

// ===== impl Attempt =====

impl<S, St: Strategy, P> Attempt<'_, S, St, P> {
    /// Explains an attempt that has begun, and has what it is charged known as its own.
    #[cold]
    #[inline(never)]
    pub(super) fn explain<Req, Res, Err>(&self, request: &mut Req, follow: &Follow<St>)
    where
        P: Protocol<Req, Res, Err>,
    {
        let Some(entry) = follow.explaining() else {
            return;
        };
        let Some(context) = self.protocol.context_mut(request) else {
            return;
        };
        let Some(trail) = &context.trail else {
            return;
        };
        let candidates = candidates(self.members, Some(follow.endpoint()), trail, self.now);
        let began = trail.began().map(|began| self.now.since(began));
        let waited = context.queued_since.map(|since| self.now.since(since));
        entry.explain(|explained| {
            explained.repeat = context.repeat;
            explained.began = began.unwrap_or_default();
            explained.waited = waited;
            explained.estimated = context.cost;
            explained.candidates = candidates;
        });
        context.trail = Some(entry.branch());
    }
}
