//! What a budget tells those who collect measurements.

use super::Budget;
use crate::{
    collect::{Collect, Metric, Sink},
    sync::Ordering,
};

static BALANCE: Metric = Metric::new("budget_balance", "How many extra attempts may be made now.");
static CAP: Metric = Metric::new(
    "budget_cap",
    "The most extra attempts that the budget saves up.",
);
static WITHDRAWN: Metric = Metric::new(
    "budget_withdrawn",
    "Extra attempts that the budget was asked for and had.",
);
static GIVEN_BACK: Metric = Metric::new(
    "budget_given_back",
    "Extra attempts that were withdrawn from the budget and not made.",
);
static REFUSED: Metric = Metric::new(
    "budget_refused",
    "How often an extra attempt was refused, since the budget was used up.",
);

impl Collect for Budget {
    fn collect(&self, sink: &mut dyn Sink) {
        let snapshot = self.snapshot();
        let inner = &self.inner;
        sink.gauge(&BALANCE, snapshot.balance);
        sink.gauge(&CAP, snapshot.cap);
        // Both only grow: their difference would look like a restart whenever an attempt is given back.
        sink.counter(&WITHDRAWN, inner.withdrawn.load(Ordering::Relaxed) as f64);
        sink.counter(&GIVEN_BACK, inner.given_back.load(Ordering::Relaxed) as f64);
        sink.counter(&REFUSED, snapshot.refused as f64);
    }
}
