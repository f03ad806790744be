//! What hedges tell those who collect measurements. Their budget tells for itself: `handle.budget().clone()`.

use super::HedgeHandle;
use crate::collect::{Collect, Metric, Sink};

static HEDGED: Metric = Metric::new("hedge_sent", "Calls that took long, and were hedged.");
static WON: Metric = Metric::new("hedge_won", "Hedges that were answered first.");
static DELAY: Metric = Metric::new(
    "hedge_delay",
    "After what time a call is hedged; absent while too little is known.",
)
.with_unit("seconds");

impl Collect for HedgeHandle {
    fn collect(&self, sink: &mut dyn Sink) {
        let snapshot = self.snapshot();
        sink.counter(&HEDGED, snapshot.hedged as f64);
        sink.counter(&WON, snapshot.won as f64);
        if let Some(delay) = snapshot.delay {
            sink.gauge(&DELAY, delay.as_secs_f64());
        }
    }
}
