//! What a rate limit tells those who collect measurements.

use super::{Keyed, RateLimitHandle, RateLimitSnapshot, buckets::Store};
use crate::collect::{Collect, Metric, Sink, Value};

static RATE: Metric = Metric::new(
    "rate_limit_per_second",
    "The present rate of the limit, by unit.",
);
static BURST: Metric = Metric::new(
    "rate_limit_burst",
    "How much the rate limit lets through at once, by unit.",
);
static LEFT: Metric = Metric::new(
    "rate_limit_left",
    "What is left of the rate limit, by unit; below 0 where calls took more than was estimated.",
);
static WAITING: Metric = Metric::new("rate_limit_waiting", "Calls that wait for the rate limit.");
static PARKED: Metric = Metric::new(
    "rate_limit_parked",
    "For how long yet the rate limit admits no call; 0 when it is not parked.",
)
.with_unit("seconds");
static PACE: Metric = Metric::new(
    "rate_limit_pace",
    "What the rates are multiplied by, since the upstream throttles; 1 otherwise.",
)
.with_unit("ratio");
static KEYS: Metric = Metric::new(
    "rate_limit_keys",
    "How many keys the rate limit tells apart.",
);

impl Collect for RateLimitHandle {
    fn collect(&self, sink: &mut dyn Sink) {
        let snapshot = self.snapshot();
        let parked = snapshot.parked_for.unwrap_or_default();
        sink.gauge(&PARKED, parked.as_secs_f64());
        tell(&snapshot, sink);
    }
}

/// All keys together: one key's figures would name it by what a request brought.
impl<K> Collect for RateLimitHandle<Keyed<K>>
where
    Keyed<K>: Store,
{
    fn collect(&self, sink: &mut dyn Sink) {
        tell(&self.outline(), sink);
    }
}

fn tell(snapshot: &RateLimitSnapshot, sink: &mut dyn Sink) {
    for unit in &snapshot.units {
        let label = Some(("unit", unit.unit.name()));
        let rate = unit.rate / unit.per.as_secs_f64();
        sink.sample(&RATE, label, Value::Gauge(rate));
        sink.sample(&BURST, label, Value::Gauge(unit.burst as f64));
        if let Some(left) = unit.left {
            sink.sample(&LEFT, label, Value::Gauge(left));
        }
    }
    sink.gauge(&WAITING, snapshot.waiting as f64);
    sink.gauge(&PACE, snapshot.pace);
    if let Some(keys) = snapshot.keys {
        sink.gauge(&KEYS, keys as f64);
    }
}
