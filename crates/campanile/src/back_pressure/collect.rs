//! What a rule tells those who collect measurements.

use super::{BackPressureHandle, Verdict};
use crate::collect::{Collect, Metric, Sink};

static VERDICT: Metric = Metric::new(
    "back_pressure_verdict",
    "What back pressure decided on the window before.",
);
static WINDOWS: Metric = Metric::new(
    "back_pressure_windows",
    "How many windows back pressure has decided on.",
);
static CALLS: Metric = Metric::new(
    "back_pressure_window_calls",
    "Calls in the window that back pressure decided on last.",
);
static ERRORS: Metric = Metric::new(
    "back_pressure_error",
    "The share of errors in the window that back pressure decided on last.",
)
.with_unit("ratio");
static FACTOR: Metric = Metric::new(
    "back_pressure_factor",
    "What the latest decision of back pressure multiplied capacities by, on average; 1 when they stayed.",
)
.with_unit("ratio");
static CAPACITY: Metric = Metric::new(
    "back_pressure_capacity",
    "Where the capacities that back pressure moves stand, together.",
);
static RATE: Metric = Metric::new(
    "back_pressure_rate",
    "Where the rates that back pressure moves stand, together.",
);
static PAUSED: Metric = Metric::new(
    "back_pressure_paused",
    "1 while back pressure decides nothing, by an operator's hand.",
);

/// `none` before the first decision, then the names of the verdicts in their order.
pub(super) const VERDICTS: [&str; 7] = [
    "none",
    "shrink_for_errors",
    "shrink_for_latency",
    "grow",
    "hold",
    "too_few",
    "paused",
];

impl Collect for BackPressureHandle {
    fn collect(&self, sink: &mut dyn Sink) {
        let snapshot = self.snapshot();
        let latest = snapshot.latest.as_ref();
        let counts = latest.map(|latest| latest.counts).unwrap_or_default();
        let moves = latest.map_or(&[][..], |latest| &latest.capacities);
        let from: f64 = moves.iter().map(|moved| moved.from).sum();
        let to: f64 = moves.iter().map(|moved| moved.to).sum();
        let factor = if from > 0.0 { to / from } else { 1.0 };
        let verdict = latest.map_or(0, |latest| place(latest.verdict));
        sink.state(&VERDICT, &VERDICTS, verdict);
        sink.counter(&WINDOWS, latest.map_or(0, |latest| latest.window) as f64);
        sink.gauge(&CALLS, counts.calls as f64);
        sink.gauge(&ERRORS, counts.error_rate());
        sink.gauge(&FACTOR, factor);
        sink.gauge(&CAPACITY, snapshot.capacities.iter().sum());
        sink.gauge(&RATE, snapshot.rates.iter().sum());
        sink.gauge(&PAUSED, u8::from(snapshot.paused).into());
    }
}

pub(super) const fn place(verdict: Verdict) -> usize {
    match verdict {
        Verdict::ShrinkForErrors => 1,
        Verdict::ShrinkForLatency => 2,
        Verdict::Grow => 3,
        Verdict::Hold => 4,
        Verdict::TooFew => 5,
        Verdict::Paused => 6,
    }
}
