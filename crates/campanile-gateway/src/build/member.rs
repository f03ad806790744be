use std::{fmt, sync::Arc, time::Duration};

use campanile::{
    Endpoint,
    circuit_breaker::BreakerSnapshot,
    concurrency_limit::ConcurrencyLimitSnapshot,
    endpoint::{EndpointSnapshot, InvalidWeight, Reason, Weight},
    rate_limit::RateLimitSnapshot,
    time::Timestamp,
};
use serde::Serialize;

use super::Guards;

/// How often it is looked whether the last call of a member that was drained is over.
const LOOK: Duration = Duration::from_millis(20);

/// A member of a pool in the hand of an operator: to look at it, and to act on it. Clones are the same member.
///
/// What an operator does to it outlives changes of the settings, also where the member itself is made anew; but for its weight
/// once the settings say another.
#[derive(Clone)]
pub(crate) struct Member {
    /// Its key, weight, labels, gate and measurements.
    pub(crate) endpoint: Endpoint,
    /// The name of its provider.
    pub(crate) provider: Arc<str>,
    /// The callers' names of the models that it serves; empty where it takes any.
    pub(crate) models: Arc<[String]>,
    /// Which tier it belongs to.
    pub(crate) tier: u32,
    pub(super) guards: Guards,
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
    /// How much it is asked for in a time, and whether its provider has asked for none. No units where nothing is limited.
    pub(crate) rate: RateLimitSnapshot,
    /// How many calls it gets at once, if that is limited.
    pub(crate) concurrency: Option<ConcurrencyLimitSnapshot>,
}

// ===== impl Member =====

impl Member {
    /// What operators call it: its endpoint's key, which is the name of its provider.
    pub(crate) fn name(&self) -> &str {
        self.endpoint.key()
    }

    /// Switches it off until [`enable`](Self::enable): no new calls; those under way go on.
    pub(crate) fn disable(&self) {
        self.endpoint.gate().close(Reason::Disabled);
    }

    /// Switches it on again, also after a drain.
    pub(crate) fn enable(&self) {
        self.endpoint.gate().open(Reason::Disabled);
    }

    /// Whether an operator has switched it off.
    pub(crate) fn is_disabled(&self) -> bool {
        let gate = self.endpoint.gate();
        gate.is_closed_for(Reason::Disabled, Timestamp::now())
    }

    /// Switches it off, and waits for the calls under way for this long at most. Tells how many were not over then; they go on.
    pub(crate) async fn drain(&self, within: Duration) -> u32 {
        self.disable();
        let over = async {
            while self.endpoint.in_flight() > 0 {
                tokio::time::sleep(LOOK).await;
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

    /// Closes its breaker and forgets what that has counted, and takes it back where it is left alone because its provider said so,
    /// or because it failed.
    pub(crate) fn reset(&self) {
        if self.guards.terms().breaker.is_some() {
            self.guards.breaker.reset();
        }
        self.guards.rate.unpark();
        self.endpoint.gate().open(Reason::FastFail);
    }

    /// Everything that is known of it.
    pub(crate) fn snapshot(&self) -> MemberSnapshot {
        let now = Timestamp::now();
        let guards = &self.guards;
        let has_breaker = guards.terms().breaker.is_some();
        let limited = guards.terms().limits_concurrency();
        MemberSnapshot {
            provider: Arc::clone(&self.provider),
            tier: self.tier,
            models: Arc::clone(&self.models),
            open: self.endpoint.gate().is_open(now),
            endpoint: self.endpoint.snapshot(now),
            breaker: has_breaker.then(|| guards.breaker.snapshot()),
            rate: guards.rate.snapshot(),
            concurrency: limited.then(|| guards.concurrency.snapshot()),
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
