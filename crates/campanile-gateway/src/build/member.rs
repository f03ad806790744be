use std::{fmt, sync::Arc, time::Duration};

use campanile::{
    Endpoint,
    circuit_breaker::{BreakerSnapshot, CircuitBreakerHandle},
    concurrency_limit::{ConcurrencyLimitHandle, ConcurrencyLimitSnapshot},
    discover::Roster,
    endpoint::{EndpointSnapshot, InvalidWeight, Weight},
    rate_limit::{RateLimitHandle, RateLimitSnapshot},
    time::Timestamp,
};
use serde::Serialize;

use super::pool::Target;

/// A member of a pool in the hand of an operator: to look at it, and to act on it. Clones are the same member.
#[derive(Clone)]
pub(crate) struct Member {
    /// Its key, weight, labels, gate and measurements.
    pub(crate) endpoint: Endpoint,
    /// The name of its provider.
    pub(crate) provider: Arc<str>,
    /// The callers' names of the models that it serves; empty where it takes any.
    pub(crate) models: Arc<[String]>,
    pub(crate) tier: u32,
    pub(super) guards: Guards,
    pub(super) roster: Roster<Target>,
}

/// What guards a member, of all kinds of calls together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guards {
    pub(crate) breaker: Option<CircuitBreakerHandle>,
    pub(crate) rate: Option<RateLimitHandle>,
    pub(crate) concurrency: Option<ConcurrencyLimitHandle>,
}

/// Everything that is known of a member.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub(crate) struct MemberSnapshot {
    /// The name of its provider.
    pub(crate) provider: Arc<str>,
    /// Which tier it belongs to.
    pub(crate) tier: u32,
    /// The callers' names of the models that it serves; empty where it takes any.
    pub(crate) models: Arc<[String]>,
    /// Whether it may be picked now.
    pub(crate) open: bool,
    /// Its weight, gate, calls and measurements.
    #[serde(flatten)]
    pub(crate) endpoint: EndpointSnapshot,
    /// Its breaker, if it has one.
    pub(crate) breaker: Option<BreakerSnapshot>,
    /// How much it is asked for in a time, if that is limited.
    pub(crate) rate: Option<RateLimitSnapshot>,
    /// How many calls it gets at once, if that is limited.
    pub(crate) concurrency: Option<ConcurrencyLimitSnapshot>,
}

// ===== impl Member =====

impl Member {
    /// What operators call it: its endpoint's key.
    pub(crate) fn name(&self) -> &str {
        self.endpoint.key()
    }

    /// Switches it off until [`enable`](Self::enable): no new calls; those under way go on.
    pub(crate) fn disable(&self) {
        let _ = self.roster.disable(self.name());
    }

    /// Switches it on again, and takes it back into service if it was drained.
    pub(crate) fn enable(&self) {
        let _ = self.roster.enable(self.name());
    }

    /// Takes it out of service: no new calls, and those under way have this long. Tells how many were not over then.
    pub(crate) async fn drain(&self, within: Duration) -> u32 {
        self.disable();
        let over = async {
            while self.endpoint.in_flight() > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = tokio::time::timeout(within, over).await;
        self.endpoint.in_flight()
    }

    /// Sets its share of the traffic.
    pub(crate) fn set_weight(&self, weight: f64) -> Result<(), InvalidWeight> {
        self.endpoint.set_weight(Weight::new(weight)?);
        Ok(())
    }

    /// Closes its breaker and forgets what it has counted; says whether it has one.
    pub(crate) fn reset_breaker(&self) -> bool {
        self.guards
            .breaker
            .as_ref()
            .map(CircuitBreakerHandle::reset)
            .is_some()
    }

    /// Everything that is known of it.
    pub(crate) fn snapshot(&self) -> MemberSnapshot {
        let now = Timestamp::now();
        MemberSnapshot {
            provider: Arc::clone(&self.provider),
            tier: self.tier,
            models: Arc::clone(&self.models),
            open: self.endpoint.gate().is_open(now),
            endpoint: self.endpoint.snapshot(now),
            breaker: self
                .guards
                .breaker
                .as_ref()
                .map(CircuitBreakerHandle::snapshot),
            rate: self.guards.rate.as_ref().map(|rate| rate.snapshot()),
            concurrency: self
                .guards
                .concurrency
                .as_ref()
                .map(ConcurrencyLimitHandle::snapshot),
        }
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("endpoint", &self.endpoint)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}
