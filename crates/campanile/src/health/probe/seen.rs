//! What probes that judge an endpoint's own calls remember of it between two checks.

use std::collections::HashMap;

use super::Report;
use crate::{
    endpoint::{Endpoint, Outcomes, Reason, WeakEndpoint},
    sync::{Mutex, lock},
    time::Timestamp,
};

/// The counts of each endpoint at its last check.
///
/// Kept here and not in the endpoint, since each probe looks at times of its own. Bounded by the endpoints that exist:
/// those of whom nobody has a handle any more are thrown out whenever as many have come as were kept the last time, so
/// that it costs a constant for each that comes.
#[derive(Default)]
pub(super) struct Seen {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    known: HashMap<usize, (WeakEndpoint, Outcomes)>,
    sweep_at: usize,
}

/// Below so many it is not worth it.
const SMALL: usize = 64;

// ===== impl Seen =====

impl Seen {
    /// The calls that ended since the last check that had enough of them: `minimum`, as `count` counts. If there are fewer,
    /// they count again the next time.
    ///
    /// # Errors
    ///
    /// A report, where there is nothing to judge. An endpoint that is out has no calls, and would never have any if that
    /// kept it out: it is healthy as far as its calls tell, and is judged by those that it gets when it is back.
    pub(super) fn since(
        &self,
        endpoint: &Endpoint,
        now: Timestamp,
        minimum: u64,
        count: fn(&Outcomes) -> u64,
    ) -> Result<Outcomes, Report> {
        let outcomes = endpoint.outcomes();
        let is_out = endpoint.gate().is_closed_for(Reason::Health, now);
        let mut inner = lock(&self.inner);
        let Some((_, before)) = inner.known.get_mut(&endpoint.id()) else {
            inner.insert(endpoint, outcomes);
            drop(inner);
            return Err(if is_out {
                out()
            } else {
                Report::unknown("looked for the first time")
            });
        };
        if is_out {
            *before = outcomes;
            return Err(out());
        }
        let since = between(before, &outcomes);
        let calls = count(&since);
        if calls < minimum {
            return Err(Report::unknown(format!(
                "{calls} calls since the last check, fewer than {minimum}"
            ))
            .with_metric("calls", calls as f64));
        }
        *before = outcomes;
        Ok(since)
    }

    /// How many endpoints it remembers.
    pub(super) fn len(&self) -> usize {
        lock(&self.inner).known.len()
    }
}

impl Inner {
    fn insert(&mut self, endpoint: &Endpoint, outcomes: Outcomes) {
        if self.known.len() >= self.sweep_at.max(SMALL) {
            self.known.retain(|_, (endpoint, _)| !endpoint.is_gone());
            self.sweep_at = 2 * self.known.len();
        }
        self.known
            .insert(endpoint.id(), (endpoint.downgrade(), outcomes));
    }
}

fn out() -> Report {
    Report::healthy().with_message("out, so there are no calls to judge")
}

fn between(before: &Outcomes, after: &Outcomes) -> Outcomes {
    Outcomes {
        success: after.success.saturating_sub(before.success),
        failure: after.failure.saturating_sub(before.failure),
        throttled: after.throttled.saturating_sub(before.throttled),
        overloaded: after.overloaded.saturating_sub(before.overloaded),
        ignored: after.ignored.saturating_sub(before.ignored),
        cancelled: after.cancelled.saturating_sub(before.cancelled),
    }
}
