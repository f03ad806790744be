//! What a breaker tells the log: each transition once, and each pause that the upstream asks for.

use super::status::{BreakerState, BreakerStatus};
use crate::time::Timestamp;

pub(super) fn tell(
    name: Option<&str>,
    before: &BreakerStatus,
    after: &BreakerStatus,
    now: Timestamp,
) {
    let breaker = name.unwrap_or_default();
    if (before.state, before.since, before.cause) != (after.state, after.since, after.cause) {
        let (from, to) = (before.state.as_str(), after.state.as_str());
        let cause = after.cause.as_str();
        match after.state {
            BreakerState::Open => {
                let open_for = after.until.unwrap_or(now).since(now);
                let streak = after.streak;
                tracing::warn!(
                    breaker,
                    from,
                    to,
                    cause,
                    ?open_for,
                    streak,
                    "circuit breaker"
                );
            }
            // Of one that is held closed before it guards anybody there is nothing to tell.
            BreakerState::ForcedClosed if name.is_none() => {
                tracing::debug!(from, to, "circuit breaker");
            }
            BreakerState::ForcedOpen => {
                tracing::warn!(breaker, from, to, cause, "circuit breaker");
            }
            _ => tracing::info!(breaker, from, to, cause, "circuit breaker"),
        }
    }
    if let Some(until) = after.parked_until
        && after.parked_until != before.parked_until
    {
        let parked_for = until.since(now);
        tracing::info!(breaker, ?parked_for, "the upstream throttles");
    }
}
