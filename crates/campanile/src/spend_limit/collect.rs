//! What budgets tell those who collect measurements.

use super::{Keyed, SpendLimitHandle, SpendUnit, accounts::Store, money, snapshot::SpendSnapshot};
use crate::collect::{Collect, Metric, Sink, Value};

static LIMIT: Metric = Metric::new(
    "spend_limit_limit",
    "The limit of the budget, in tokens or dollars.",
);
static SPENT: Metric = Metric::new(
    "spend_limit_spent",
    "What calls that are over have used of the budget in its present period, in tokens or dollars.",
);
static RESERVED: Metric = Metric::new(
    "spend_limit_reserved",
    "What is reserved of the budget for calls under way, in tokens or dollars.",
);
static LEFT: Metric = Metric::new(
    "spend_limit_left",
    "What is left of the budget, in tokens or dollars.",
);
static REFUSED: Metric = Metric::new(
    "spend_limit_refused",
    "Calls that were refused since a budget had no room for them.",
);
static REFUSED_ATTEMPTS: Metric = Metric::new(
    "spend_limit_refused_attempts",
    "Further attempts of calls that were not made since a budget had no room for them.",
);
static KEYS: Metric = Metric::new("spend_limit_keys", "How many keys the budgets tell apart.");

impl Collect for SpendLimitHandle {
    fn collect(&self, sink: &mut dyn Sink) {
        for snapshot in self.snapshot() {
            tell(&snapshot, sink, true);
        }
        sink.counter(&REFUSED, self.refused() as f64);
        sink.counter(&REFUSED_ATTEMPTS, self.refused_attempts() as f64);
    }
}

/// All keys together: one key's figures would name it by what a request brought.
impl<K> Collect for SpendLimitHandle<Keyed<K>>
where
    Keyed<K>: Store,
{
    fn collect(&self, sink: &mut dyn Sink) {
        let spending = self.spending();
        for snapshot in spending.untouched() {
            tell(&snapshot, sink, false);
        }
        sink.counter(&REFUSED, self.refused() as f64);
        sink.counter(&REFUSED_ATTEMPTS, self.refused_attempts() as f64);
        sink.gauge(&KEYS, spending.accounts.keys().unwrap_or(0) as f64);
    }
}

fn tell(snapshot: &SpendSnapshot, sink: &mut dyn Sink, used: bool) {
    let amount = |amount| match snapshot.unit {
        SpendUnit::Tokens => amount as f64,
        SpendUnit::Money => money::dollars(amount),
    };
    let label = Some(("budget", snapshot.budget));
    let mut gauge = |metric, value| sink.sample(metric, label, Value::Gauge(amount(value)));
    gauge(&LIMIT, snapshot.limit);
    if used {
        gauge(&SPENT, snapshot.spent);
        gauge(&RESERVED, snapshot.reserved);
        gauge(&LEFT, snapshot.left);
    }
}
