//! What a limit tells those who collect measurements.

use super::ConcurrencyLimitHandle;
use crate::collect::{Collect, Metric, Sink};

static LIMIT: Metric = Metric::new(
    "concurrency_limit",
    "How many calls may be in flight at once, as it is now.",
);
static FLOOR: Metric = Metric::new(
    "concurrency_limit_floor",
    "What the concurrency limit never falls below.",
);
static CAP: Metric = Metric::new(
    "concurrency_limit_cap",
    "What the concurrency limit never rises above.",
);
static CEILING: Metric = Metric::new(
    "concurrency_limit_ceiling",
    "What the concurrency limit does not rise above now, by its dial.",
);
static IN_USE: Metric = Metric::new(
    "concurrency_limit_in_use",
    "Permits of the concurrency limit in use, each to the end of its call's body or stream.",
);
static WAITING: Metric = Metric::new(
    "concurrency_limit_waiting",
    "Calls that wait for a permit of the concurrency limit.",
);
static FULL: Metric = Metric::new(
    "concurrency_limit_full",
    "Calls that found the concurrency limit reached: they were refused, or had to wait.",
);
static REFUSED: Metric = Metric::new(
    "concurrency_limit_refused",
    "Calls that the concurrency limit refused, at once or after a wait.",
);
static DROPPED: Metric = Metric::new(
    "concurrency_limit_dropped",
    "Calls that were throttled, overloaded the service or timed out, as an adaptive limit saw them.",
);

impl Collect for ConcurrencyLimitHandle {
    fn collect(&self, sink: &mut dyn Sink) {
        let snapshot = self.snapshot();
        sink.gauge(&LIMIT, snapshot.limit.into());
        sink.gauge(&FLOOR, snapshot.floor.into());
        sink.gauge(&CAP, snapshot.cap.into());
        sink.gauge(&CEILING, snapshot.ceiling.into());
        sink.gauge(&IN_USE, snapshot.in_use.into());
        sink.gauge(&WAITING, snapshot.waiting as f64);
        sink.counter(&FULL, snapshot.full as f64);
        sink.counter(&REFUSED, snapshot.refused as f64);
        if let Some(dropped) = snapshot.dropped {
            sink.counter(&DROPPED, dropped as f64);
        }
    }
}
